#include "common/status/grpc_status.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <string>

#include "common/status/error.h"
#include "gateway/common/v1/rpc_details.pb.h"

namespace gateway {
namespace {

TEST(GrpcStatusTest, ComesBackAsItWent) {
  const absl::Status status =
      MakeError(reason::kSessionBusy, "busy, caf\xC3\xA9")
          .Param("session")
          .RetryAfter(absl::Milliseconds(700));
  EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status);
  EXPECT_TRUE(FromGrpcStatus(ToGrpcStatus(absl::OkStatus())).ok());
}

TEST(GrpcStatusTest, ForeignStatusesKeepCodeAndText) {
  const grpc::Status status = ToGrpcStatus(absl::DataLossError("lost"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(status.error_message(), "lost");
  EXPECT_EQ(status.error_details(), "");
  EXPECT_EQ(FromGrpcStatus(status), absl::DataLossError("lost"));
}

TEST(GrpcStatusTest, RepeatsTheDelayAsRetryInfo) {
  const grpc::Status status =
      ToGrpcStatus(Overloaded("full").RetryAfter(absl::Seconds(7)));
  common::v1::RpcStatus rpc;
  ASSERT_TRUE(rpc.ParseFromString(status.error_details()));
  EXPECT_EQ(rpc.code(), 14);
  EXPECT_EQ(rpc.message(), "full");
  ASSERT_EQ(rpc.details_size(), 2);
  EXPECT_EQ(rpc.details(1).type_url(),
            "type.googleapis.com/google.rpc.RetryInfo");
  common::v1::RetryInfo info;
  ASSERT_TRUE(info.ParseFromString(rpc.details(1).value()));
  EXPECT_EQ(info.retry_delay().seconds(), 7);
}

TEST(GrpcStatusTest, StaysBelowTheSizeThatGrpcAccepts) {
  const std::string text(100'000, 'x');
  const std::string binary(100'000, '\xC3');
  for (const std::string& message : {text, binary}) {
    ErrorDetail detail = DetailOrDefault(absl::InternalError("x"));
    detail.set_param(std::string(50'000, 'p'));
    const grpc::Status status =
        ToGrpcStatus(WithDetail(absl::InternalError(message), detail));
    EXPECT_LE(status.error_message().size(), 2048u);
    EXPECT_LE(status.error_details().size(), 4096u);
    const absl::Status back = FromGrpcStatus(status);
    ASSERT_TRUE(DetailOf(back).has_value());
    EXPECT_EQ(DetailOf(back)->param().size(), 256u);
  }
}

TEST(GrpcStatusTest, CutsTextsThatGrowOnTheWire) {
  std::string accents;
  for (int i = 0; i < 800; ++i) accents += "\xC3\xA9";  // 3 bytes per byte
  const grpc::Status status = ToGrpcStatus(absl::AbortedError(accents));
  EXPECT_LE(status.error_message().size() * 3, 2048u + 9);
}

TEST(GrpcStatusTest, DamagedDetailsCountAsNone) {
  const absl::Status status = FromGrpcStatus(
      grpc::Status(grpc::StatusCode::ABORTED, "x", "\xFF\xFF\xFF"));
  EXPECT_EQ(status, absl::AbortedError("x"));
}

TEST(GrpcStatusTest, PushbackTellsWhetherAndWhen) {
  EXPECT_EQ(
      RetryPushbackMs(Overloaded("x").RetryAfter(absl::Milliseconds(1250))),
      "1250");
  EXPECT_EQ(RetryPushbackMs(MakeError(reason::kSessionLimit, "x")), "-1");
  EXPECT_EQ(RetryPushbackMs(MakeError(reason::kUpstreamBadResponse, "x")),
            std::nullopt);
  EXPECT_EQ(RetryPushbackMs(absl::UnavailableError("x")), std::nullopt);
}

}  // namespace
}  // namespace gateway
