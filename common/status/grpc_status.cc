#include "common/status/grpc_status.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "common/status/text.h"
#include "gateway/common/v1/rpc_details.pb.h"

namespace gateway {
namespace {

constexpr char kRetryInfoTypeUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

// gRPC percent-encodes the text and base64-encodes the details; 2 KiB of the
// one and 4 KiB of the other together stay below the 8 KiB a peer accepts.
constexpr size_t kMaxEncodedMessageBytes = 2 * 1024;
constexpr size_t kMaxDetailsBytes = 4 * 1024;
constexpr size_t kMaxFieldBytes = 256;

size_t PercentEncodedSize(absl::string_view text) {
  size_t size = 0;
  for (char c : text) {
    size +=
        absl::ascii_isprint(static_cast<unsigned char>(c)) && c != '%' ? 1 : 3;
  }
  return size;
}

std::string CutMessage(absl::string_view message) {
  std::string text = CleanText(message, kMaxEncodedMessageBytes);
  if (PercentEncodedSize(text) <= kMaxEncodedMessageBytes) return text;
  return CleanText(message, kMaxEncodedMessageBytes / 3);
}

void CutFields(ErrorDetail& detail) {
  detail.set_reason(CleanText(detail.reason(), kMaxFieldBytes));
  detail.set_param(CleanText(detail.param(), kMaxFieldBytes));
  detail.set_fallback_model(CleanText(detail.fallback_model(), kMaxFieldBytes));
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  std::string message = CutMessage(status.message());
  std::optional<ErrorDetail> detail = DetailOf(status);
  if (!detail.has_value()) return grpc::Status(code, std::move(message));

  CutFields(*detail);
  common::v1::RpcStatus rpc;
  rpc.set_code(static_cast<int>(code));
  rpc.set_message(message);
  auto* any = rpc.add_details();
  any->set_type_url(kErrorDetailTypeUrl);
  any->set_value(detail->SerializeAsString());
  if (detail->has_retry_delay()) {
    common::v1::RetryInfo info;
    *info.mutable_retry_delay() = detail->retry_delay();
    any = rpc.add_details();
    any->set_type_url(kRetryInfoTypeUrl);
    any->set_value(info.SerializeAsString());
  }
  // Only fields of a newer peer can still be this long.
  if (rpc.ByteSizeLong() > kMaxDetailsBytes) {
    return grpc::Status(code, std::move(message));
  }
  return grpc::Status(code, std::move(message), rpc.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
  common::v1::RpcStatus rpc;
  if (status.error_details().empty() ||
      !rpc.ParseFromString(status.error_details())) {
    return result;
  }
  for (const auto& any : rpc.details()) {
    if (any.type_url() != kErrorDetailTypeUrl) continue;
    ErrorDetail detail;
    if (!detail.ParseFromString(any.value()) || detail.reason().empty()) break;
    return WithDetail(std::move(result), detail);
  }
  return result;
}

std::optional<std::string> RetryPushbackMs(const absl::Status& status) {
  const std::optional<ErrorDetail> detail = DetailOf(status);
  if (!detail.has_value()) return std::nullopt;
  if (detail->remedy() != common::v1::REMEDY_RETRY) return "-1";
  if (!detail->has_retry_delay()) return std::nullopt;
  return absl::StrCat(detail->retry_delay().seconds() * 1000 +
                      detail->retry_delay().nanos() / 1'000'000);
}

}  // namespace gateway
