#include "services/ingress/contents.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <utility>

namespace gateway::ingress {
namespace {

using metrics_collector::v1::RequestRecord;
using model_router::v1::Frames;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  return json;
}

std::string RequestText(const RouteRequest& request) {
  if (request.has_typed()) return ToJson(request.typed().chat());
  return request.encoded().body().substr(0, ContentsKeeper::kMaxBytes);
}

}  // namespace

void ContentsKeeper::Append(absl::string_view text) {
  const size_t room = kMaxBytes - std::min(kMaxBytes, answer_.size());
  answer_.append(text.data(), std::min(room, text.size()));
}

void ContentsKeeper::AddAnswer(const RouteEvent& event) {
  if (contents_ == Contents::kOff || answer_.size() >= kMaxBytes) return;
  if (event.has_frames()) Append(event.frames().data());
  if (event.has_deltas()) {
    for (const auto& delta : event.deltas().deltas()) {
      Append(ToJson(delta));
      Append("\n");
    }
  }
  if (event.has_answer()) {
    Append(event.answer().has_typed() ? ToJson(event.answer().typed())
                                      : event.answer().encoded());
  }
  if (event.has_completed()) Append(event.completed().last_frames().data());
}

void ContentsKeeper::Fill(const RouteRequest& request, RequestRecord& record) {
  const bool wanted =
      contents_ == Contents::kAll ||
      (contents_ == Contents::kErrors &&
       record.outcome() == metrics_collector::v1::OUTCOME_FAILED);
  if (!wanted) return;
  std::string text = RequestText(request);
  text.resize(std::min(text.size(), kMaxBytes));
  record.set_request_content(std::move(text));
  record.set_answer_content(std::move(answer_));
}

}  // namespace gateway::ingress
