#include "common/dialect/answer_assembler.h"

#include <utility>

namespace gateway::dialect {

using chat::v1::ChatDelta;
using chat::v1::Choice;
using chat::v1::ContentPart;
using chat::v1::Message;

namespace {

ContentPart* Last(Message* message) {
  return message->content_size() == 0
             ? nullptr
             : message->mutable_content(message->content_size() - 1);
}

}  // namespace

void AnswerAssembler::Add(const ChatDelta& delta) {
  Growing& growing = choices_[delta.choice()];
  Message* message = growing.choice.mutable_message();
  ContentPart* last = Last(message);
  switch (delta.delta_case()) {
    case ChatDelta::kText:
      if (last == nullptr || !last->has_text()) last = message->add_content();
      last->mutable_text()->mutable_text()->append(delta.text());
      break;
    case ChatDelta::kRefusal:
      if (last == nullptr || !last->has_refusal()) {
        last = message->add_content();
      }
      last->mutable_refusal()->mutable_text()->append(delta.refusal());
      break;
    case ChatDelta::kReasoning:
    case ChatDelta::kReasoningSignature:
    case ChatDelta::kReasoningEncrypted: {
      if (last == nullptr || !last->has_reasoning() ||
          (growing.reasoning_closed &&
           delta.delta_case() == ChatDelta::kReasoning)) {
        last = message->add_content();
        growing.reasoning_closed = false;
      }
      chat::v1::ReasoningPart* reasoning = last->mutable_reasoning();
      if (delta.has_reasoning()) {
        reasoning->mutable_text()->append(delta.reasoning());
      } else if (delta.has_reasoning_signature()) {
        reasoning->mutable_signature()->append(delta.reasoning_signature());
        growing.reasoning_closed = true;
      } else {
        reasoning->mutable_encrypted()->append(delta.reasoning_encrypted());
        growing.reasoning_closed = true;
      }
      break;
    }
    case ChatDelta::kToolCall: {
      const chat::v1::ToolCallDelta& piece = delta.tool_call();
      const size_t index = static_cast<size_t>(piece.index());
      if (index > growing.calls.size()) break;  // indexes are dense
      if (index == growing.calls.size()) {
        growing.calls.push_back(message->content_size());
        message->add_content()->mutable_tool_call();
      }
      chat::v1::ToolCall* call =
          message->mutable_content(growing.calls[index])->mutable_tool_call();
      if (!piece.id().empty()) call->set_id(piece.id());
      if (!piece.name().empty()) call->set_name(piece.name());
      if (!piece.signature().empty()) call->set_signature(piece.signature());
      if (piece.custom()) call->set_custom(true);
      call->mutable_arguments()->append(piece.arguments());
      break;
    }
    case ChatDelta::kFinishReason:
      growing.choice.set_finish_reason(delta.finish_reason());
      break;
    case ChatDelta::kPart:
      *message->add_content() = delta.part();
      break;
    case ChatDelta::DELTA_NOT_SET:
      break;
  }
  for (const chat::v1::TokenLogprob& logprob : delta.logprobs()) {
    *growing.choice.add_logprobs() = logprob;
  }
}

google::protobuf::RepeatedPtrField<Choice> AnswerAssembler::Take() {
  google::protobuf::RepeatedPtrField<Choice> choices;
  for (auto& [index, growing] : choices_) {
    growing.choice.set_index(index);
    growing.choice.mutable_message()->set_role(chat::v1::ROLE_ASSISTANT);
    *choices.Add() = std::move(growing.choice);
  }
  choices_.clear();
  return choices;
}

void AppendDeltas(const Choice& choice, std::vector<ChatDelta>* deltas) {
  const auto add = [&choice, deltas]() -> ChatDelta& {
    deltas->emplace_back();
    deltas->back().set_choice(choice.index());
    return deltas->back();
  };
  int32_t calls = 0;
  const size_t first = deltas->size();
  for (const ContentPart& part : choice.message().content()) {
    switch (part.part_case()) {
      case ContentPart::kText:
        add().set_text(part.text().text());
        break;
      case ContentPart::kRefusal:
        add().set_refusal(part.refusal().text());
        break;
      case ContentPart::kReasoning:
        if (!part.reasoning().text().empty()) {
          add().set_reasoning(part.reasoning().text());
        }
        if (!part.reasoning().encrypted().empty()) {
          add().set_reasoning_encrypted(part.reasoning().encrypted());
        }
        if (!part.reasoning().signature().empty()) {
          add().set_reasoning_signature(part.reasoning().signature());
        }
        break;
      case ContentPart::kToolCall: {
        chat::v1::ToolCallDelta* piece = add().mutable_tool_call();
        piece->set_index(calls++);
        piece->set_id(part.tool_call().id());
        piece->set_name(part.tool_call().name());
        piece->set_arguments(part.tool_call().arguments());
        piece->set_signature(part.tool_call().signature());
        piece->set_custom(part.tool_call().custom());
        break;
      }
      case ContentPart::PART_NOT_SET:
        break;
      default:
        *add().mutable_part() = part;
    }
  }
  if (choice.logprobs_size() > 0) {
    if (deltas->size() == first) add();
    *(*deltas)[first].mutable_logprobs() = choice.logprobs();
  }
  if (choice.finish_reason() != chat::v1::FINISH_REASON_UNSPECIFIED) {
    add().set_finish_reason(choice.finish_reason());
  }
}

}  // namespace gateway::dialect
