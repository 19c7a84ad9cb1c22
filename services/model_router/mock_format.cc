#include "services/model_router/mock_format.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/strip.h>

#include <utility>

#include "common/dialect/openai_chat/answer_codec.h"
#include "common/dialect/openai_chat/request_codec.h"
#include "common/status/macros.h"

namespace gateway::model_router {
namespace {

namespace openai_chat = dialect::openai_chat;

std::string CallId(const std::string& answer_id) {
  return absl::StrCat("call_", absl::StripPrefix(answer_id, "chatcmpl-"));
}

chat::v1::Message MessageOf(const MockAnswer& script,
                            const std::string& answer_id) {
  chat::v1::Message message;
  message.set_role(chat::v1::ROLE_ASSISTANT);
  const std::string text = absl::StrJoin(script.tokens, "");
  if (script.function.empty()) {
    message.add_content()->mutable_text()->set_text(text);
  } else {
    auto& call = *message.add_content()->mutable_tool_call();
    call.set_id(CallId(answer_id));
    call.set_name(script.function);
    call.set_arguments(text);
  }
  return message;
}

}  // namespace

MockFormat::MockFormat(const ProviderCall& call, absl::Time now)
    : call_(call),
      now_(now),
      id_(absl::StrCat(
          "chatcmpl-",
          absl::StripPrefix(call.request->context().request_id(), "req_"))) {}

absl::Status MockFormat::ReadRequest() {
  if (call_.envelope == nullptr) {
    chat_ = &call_.request->typed().chat();
    return absl::OkStatus();
  }
  const v1::EncodedRequest& encoded = call_.request->encoded();
  ASSIGN_OR_RETURN(auto decoded, openai_chat::DecodeRequest(encoded.body()));
  decoded_ = std::move(decoded.chat);
  chat_ = &decoded_;
  if (call_.stream) {
    encoder_.emplace(
        openai_chat::StreamEncoding{.id = id_,
                                    .model = call_.target->model,
                                    .created = absl::ToUnixSeconds(now_),
                                    .include_usage = encoded.include_usage(),
                                    .framing = encoded.framing(),
                                    .messages = {}});
  }
  return absl::OkStatus();
}

void MockFormat::AddDelta(const chat::v1::ChatDelta& delta,
                          v1::RouteEvent& run) {
  if (encoder_) {
    encoder_->Append(delta, run.mutable_frames());
  } else {
    *run.mutable_deltas()->add_deltas() = delta;
  }
}

void MockFormat::AddOpening(const MockAnswer& script, v1::RouteEvent& run) {
  if (!call_.stream || script.function.empty()) return;
  chat::v1::ChatDelta delta;
  delta.mutable_tool_call()->set_id(CallId(id_));
  delta.mutable_tool_call()->set_name(script.function);
  AddDelta(delta, run);
}

void MockFormat::AddToken(const MockAnswer& script, size_t index,
                          v1::RouteEvent& run) {
  if (!call_.stream) return;
  chat::v1::ChatDelta delta;
  if (script.function.empty()) {
    delta.set_text(script.tokens[index]);
  } else {
    delta.mutable_tool_call()->set_arguments(script.tokens[index]);
  }
  AddDelta(delta, run);
}

void MockFormat::Finish(const MockAnswer& script, Answer& answer,
                        v1::RouteEvent run) {
  if (call_.want_turn) answer.message = MessageOf(script, id_);
  if (!call_.stream) {
    const chat::v1::ChatResponse whole = WholeAnswer(script, answer);
    v1::WholeAnswer& out = *answer.last_run.mutable_answer();
    if (call_.envelope == nullptr) {
      *out.mutable_typed() = whole;
    } else {
      out.set_encoded(openai_chat::EncodeAnswer(whole, {}));
    }
    return;
  }
  chat::v1::ChatDelta delta;
  delta.set_finish_reason(script.finish_reason);
  if (encoder_) {
    encoder_->Append(delta, &answer.last_frames);
    encoder_->AppendUsage(answer.usage, &answer.last_frames);
    encoder_->AppendDone(&answer.last_frames);
  } else {
    AddDelta(delta, run);
  }
  answer.last_run = std::move(run);
}

chat::v1::ChatResponse MockFormat::WholeAnswer(const MockAnswer& script,
                                               const Answer& answer) const {
  chat::v1::ChatResponse response;
  response.set_id(id_);
  response.set_model(call_.target->model);
  response.mutable_create_time()->set_seconds(absl::ToUnixSeconds(now_));
  chat::v1::Choice& choice = *response.add_choices();
  *choice.mutable_message() = MessageOf(script, id_);
  choice.set_finish_reason(script.finish_reason);
  *response.mutable_usage() = answer.usage;
  response.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_PROVIDER);
  return response;
}

}  // namespace gateway::model_router
