#ifndef GATEWAY_SERVICES_MODEL_ROUTER_MOCK_SCRIPT_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_MOCK_SCRIPT_H_

#include <absl/strings/string_view.h>
#include <absl/types/span.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/chat/v1/chat.pb.h"

namespace gateway::model_router {

// What the built-in mock answers. docs/mock.md is its description.
struct MockAnswer {
  // Of text, or of the arguments of the call; a token is a word with the space
  // in front of it.
  std::vector<std::string> tokens;
  // A call of this function instead of text. Empty: text.
  std::string function;
  chat::v1::FinishReason finish_reason = chat::v1::FINISH_REASON_STOP;
  // The mock fails instead.
  bool fails = false;
  int64_t prompt_tokens = 0;
};

// A pure function of what was sent: the same messages get the same answer.
// `messages` are all of the prompt, in order. `max_tokens` cuts the answer; 0:
// no bound.
MockAnswer ScriptMockAnswer(
    absl::Span<const chat::v1::Message* const> messages,
    const google::protobuf::RepeatedPtrField<chat::v1::Tool>& tools,
    int64_t max_tokens);

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_MOCK_SCRIPT_H_
