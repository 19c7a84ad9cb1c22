#include "services/ingress/contents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::ingress {
namespace {

using metrics_collector::v1::RequestRecord;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;

RouteRequest Request() {
  RouteRequest request;
  request.mutable_encoded()->set_body(R"({"model":"m"})");
  return request;
}

RouteEvent Frames(std::string data) {
  RouteEvent event;
  event.mutable_frames()->set_data(std::move(data));
  return event;
}

TEST(ContentsTest, KeepsNothingWhileOff) {
  ContentsKeeper keeper(Contents::kOff);
  keeper.AddAnswer(Frames("a"));
  RequestRecord record;
  record.set_outcome(metrics_collector::v1::OUTCOME_FAILED);
  keeper.Fill(Request(), record);
  EXPECT_EQ(record.request_content(), "");
  EXPECT_EQ(record.answer_content(), "");
}

TEST(ContentsTest, JoinsWhatTheClientSaw) {
  ContentsKeeper keeper(Contents::kAll);
  keeper.AddAnswer(Frames("a"));
  RouteEvent end = Frames("b");
  end.mutable_completed()->mutable_last_frames()->set_data("c");
  keeper.AddAnswer(end);
  RequestRecord record;
  keeper.Fill(Request(), record);
  EXPECT_EQ(record.request_content(), R"({"model":"m"})");
  EXPECT_EQ(record.answer_content(), "abc");
}

TEST(ContentsTest, WritesTypedFormsAsJson) {
  ContentsKeeper keeper(Contents::kAll);
  RouteEvent event;
  event.mutable_deltas()->add_deltas()->set_text("hi");
  keeper.AddAnswer(event);
  RouteRequest request;
  request.mutable_typed()->mutable_chat()->set_model("m");
  RequestRecord record;
  keeper.Fill(request, record);
  EXPECT_EQ(record.request_content(), R"({"model":"m"})");
  EXPECT_EQ(record.answer_content(), "{\"text\":\"hi\"}\n");
}

TEST(ContentsTest, IsBounded) {
  ContentsKeeper keeper(Contents::kAll);
  for (int i = 0; i < 3; ++i) {
    keeper.AddAnswer(
        Frames(std::string(ContentsKeeper::kMaxBytes / 2 + 1, 'x')));
  }
  RouteRequest request;
  request.mutable_encoded()->set_body(
      std::string(ContentsKeeper::kMaxBytes + 9, 'y'));
  RequestRecord record;
  keeper.Fill(request, record);
  EXPECT_EQ(record.request_content().size(), ContentsKeeper::kMaxBytes);
  EXPECT_EQ(record.answer_content().size(), ContentsKeeper::kMaxBytes);
}

}  // namespace
}  // namespace gateway::ingress
