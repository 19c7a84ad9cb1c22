#include "tests/unit/common/dialect/chat_generator.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace gateway::dialect {

using chat::v1::ChatDelta;
using chat::v1::ChatRequest;
using chat::v1::ChatResponse;
using chat::v1::ContentPart;
using chat::v1::Message;

std::string ChatGenerator::Text() {
  static const char* const kPieces[] = {"a",
                                        "Hello ",
                                        "\"",
                                        "\\",
                                        "\n",
                                        "\x01",
                                        "é",
                                        "\t",
                                        "\xF0\x9F\x98\x80",
                                        "{}",
                                        "data",
                                        "[DONE]",
                                        "\x7f",
                                        "0123456789abcdef",
                                        " "};
  std::string text;
  for (int i = Below(8); i >= 0; --i) {
    text.append(kPieces[Below(std::size(kPieces))]);
  }
  return text;
}

std::string ChatGenerator::Word() { return absl::StrCat("w", Below(1000)); }

std::string ChatGenerator::Bytes() {
  std::string bytes;
  for (int i = Below(9); i >= 0; --i) {
    bytes.push_back(static_cast<char>(Below(256)));
  }
  return bytes;
}

std::string ChatGenerator::Json() {
  return absl::StrCat("{\"", Word(), "\":[1.50,null,{\"", Word(),
                      "\":\"é\"}]}");
}

void ChatGenerator::AddCalls(Message* message) {
  for (int i = Below(3); i >= 0; --i) {
    chat::v1::ToolCall* call = message->add_content()->mutable_tool_call();
    call->set_id(absl::StrCat("call_", next_id_++));
    call->set_name(Word());
    call->set_arguments(Maybe() ? "{\"a\":1}" : Text());
    call->set_custom(shape_.custom_calls && Below(4) == 0);
    if (shape_.call_signatures && Below(4) == 0) call->set_signature("c2ln");
  }
}

Message ChatGenerator::UserMessage() {
  Message message;
  message.set_role(Maybe() ? chat::v1::ROLE_USER : chat::v1::ROLE_SYSTEM);
  if (Below(3) == 0) message.set_name(Word());
  if (Maybe()) {
    message.add_content()->mutable_text()->set_text(Text());
    message.set_content_as_list(Maybe());
    return message;
  }
  bool texts_only = true;
  for (int i = Below(4); i >= 0; --i) {
    ContentPart* part = message.add_content();
    switch (Below(5)) {
      case 0:
        if (!shape_.images) break;
        texts_only = false;
        if (Maybe()) {
          part->mutable_image()->set_url(
              absl::StrCat("https://example.com/", Word()));
        } else {
          part->mutable_image()->set_data(Bytes());
          part->mutable_image()->set_media_type("image/png");
        }
        part->mutable_image()->set_detail(
            static_cast<chat::v1::ImageDetail>(Below(4)));
        continue;
      case 1:
        if (!shape_.audio) break;
        texts_only = false;
        part->mutable_audio()->set_data(Bytes());
        part->mutable_audio()->set_format("wav");
        continue;
      case 2:
        if (!shape_.files) break;
        texts_only = false;
        part->mutable_file()->set_data(Bytes());
        part->mutable_file()->set_media_type("application/pdf");
        if (Maybe()) part->mutable_file()->set_filename(Word());
        continue;
      case 3:
        if (shape_.dialect.empty()) break;
        texts_only = false;
        part->mutable_opaque()->set_dialect(shape_.dialect);
        part->mutable_opaque()->set_json(
            absl::StrCat("{\"type\":\"video\",\"x\":", Json(), "}"));
        continue;
      default:
        break;
    }
    part->mutable_text()->set_text(Text());
  }
  message.set_content_as_list(texts_only);
  return message;
}

Message ChatGenerator::AssistantMessage(bool answer) {
  Message message;
  message.set_role(chat::v1::ROLE_ASSISTANT);
  if (shape_.reasoning && Maybe()) {
    message.add_content()->mutable_reasoning()->set_text(Text());
  }
  if (Maybe()) message.add_content()->mutable_text()->set_text(Text());
  if (shape_.refusals && Below(4) == 0) {
    message.add_content()->mutable_refusal()->set_text(Text());
  }
  if (Maybe() || message.content().empty()) AddCalls(&message);
  if (!answer && !shape_.dialect.empty() && Below(3) == 0) {
    chat::v1::OpaquePart* extra = message.add_extras();
    extra->set_dialect(shape_.dialect);
    extra->set_json(Json());
  }
  return message;
}

Message ChatGenerator::ToolMessage() {
  Message message;
  message.set_role(chat::v1::ROLE_TOOL);
  chat::v1::ToolResult* result = message.add_content()->mutable_tool_result();
  result->set_tool_call_id(absl::StrCat("call_", Below(next_id_ + 1)));
  result->add_content()->mutable_text()->set_text(Text());
  message.set_content_as_list(Maybe());
  return message;
}

ChatRequest ChatGenerator::Request() {
  ChatRequest request;
  request.set_model(Word());
  for (int i = Below(6); i >= 0; --i) {
    switch (Below(3)) {
      case 0:
        *request.add_messages() = UserMessage();
        break;
      case 1:
        *request.add_messages() = AssistantMessage(/*answer=*/false);
        break;
      default:
        *request.add_messages() = ToolMessage();
    }
  }
  for (int i = Below(3); i > 0; --i) {
    chat::v1::Tool* tool = request.add_tools();
    tool->set_name(Word());
    if (Maybe()) tool->set_description(Text());
    if (Maybe()) tool->set_parameters_schema(Json());
    if (Maybe()) tool->set_strict(Maybe());
  }
  if (Maybe()) {
    const int mode = 1 + Below(4);
    request.mutable_tool_choice()->set_mode(
        static_cast<chat::v1::ToolChoice::Mode>(mode));
    if (mode == chat::v1::ToolChoice::MODE_NAMED) {
      request.mutable_tool_choice()->set_name(Word());
    }
  }
  if (Maybe()) request.set_parallel_tool_calls(Maybe());
  if (Maybe()) {
    chat::v1::ResponseFormat* format = request.mutable_response_format();
    format->set_type(static_cast<chat::v1::ResponseFormat::Type>(1 + Below(3)));
    if (format->type() == chat::v1::ResponseFormat::TYPE_JSON_SCHEMA) {
      format->set_name(Word());
      format->set_schema(Json());
      if (Maybe()) format->set_description(Text());
      if (Maybe()) format->set_strict(Maybe());
    }
  }
  if (Maybe()) request.set_max_output_tokens(1 + Below(100000));
  if (Maybe()) request.set_temperature(Below(2000) / 1000.0);
  if (Maybe()) request.set_top_p(Below(1000) / 999.0);
  if (Maybe()) request.set_choice_count(1 + Below(128));
  for (int i = Below(4); i > 0; --i) request.add_stop(Text());
  if (Maybe()) {
    request.set_seed(static_cast<int64_t>(
        (static_cast<uint64_t>(random_()) << 32) | random_()));
  }
  if (Maybe()) request.set_presence_penalty(-Below(2000) / 1000.0);
  if (Maybe()) request.set_frequency_penalty(Below(2000) / 7.0);
  request.set_reasoning_effort(
      static_cast<chat::v1::ReasoningEffort>(Below(8)));
  if (Maybe()) request.set_logprobs(Maybe());
  if (Maybe()) request.set_top_logprobs(Below(21));
  if (Maybe()) request.set_end_user(Word());
  if (!shape_.dialect.empty() && Maybe()) {
    chat::v1::OpaquePart* extra = request.add_extras();
    extra->set_dialect(shape_.dialect);
    extra->set_json(Json());
  }
  return request;
}

chat::v1::Usage ChatGenerator::Usage() {
  chat::v1::Usage usage;
  usage.set_source(chat::v1::USAGE_SOURCE_PROVIDER);
  usage.set_uncached_input_tokens(1 + Below(100000));
  usage.set_cached_input_tokens(Below(100000));
  usage.set_cache_write_5m_tokens(Below(1000));
  usage.set_output_tokens(Below(100000));
  // Part of the output, but never so that sums become ambiguous.
  usage.set_reasoning_tokens(usage.output_tokens() / 2);
  return usage;
}

ChatResponse ChatGenerator::Answer() {
  ChatResponse answer;
  answer.set_id(absl::StrCat("answer-", Word()));
  answer.set_model(Word());
  answer.mutable_create_time()->set_seconds(1790000000 + Below(1000));
  const int choices = 1 + Below(shape_.max_choices);
  for (int i = 0; i < choices; ++i) {
    chat::v1::Choice* choice = answer.add_choices();
    choice->set_index(i);
    *choice->mutable_message() = AssistantMessage(/*answer=*/true);
    choice->set_finish_reason(
        static_cast<chat::v1::FinishReason>(1 + Below(4)));
    if (!shape_.logprobs || Maybe()) continue;
    for (int token = Below(3); token >= 0; --token) {
      chat::v1::TokenLogprob* logprob = choice->add_logprobs();
      logprob->set_token(Text());
      logprob->set_logprob(-Below(1000) / 997.0);
      if (Maybe()) logprob->set_token_bytes(Bytes());
      if (Maybe()) logprob->add_top()->set_token(Text());
    }
  }
  if (Maybe()) *answer.mutable_usage() = Usage();
  return answer;
}

std::vector<std::string> ChatGenerator::Pieces(const std::string& text) {
  std::vector<std::string> pieces(1);
  for (size_t i = 0; i < text.size(); ++i) {
    // Never inside a character: a delta is UTF-8.
    const bool boundary = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (boundary && !pieces.back().empty() && Below(3) == 0) {
      pieces.emplace_back();
    }
    pieces.back().push_back(text[i]);
  }
  return pieces;
}

std::vector<ChatDelta> ChatGenerator::CutUp(
    const std::vector<ChatDelta>& deltas) {
  std::vector<ChatDelta> cut;
  for (const ChatDelta& delta : deltas) {
    std::string text;
    switch (delta.delta_case()) {
      case ChatDelta::kText:
        text = delta.text();
        break;
      case ChatDelta::kReasoning:
        text = delta.reasoning();
        break;
      case ChatDelta::kRefusal:
        text = delta.refusal();
        break;
      case ChatDelta::kToolCall:
        text = delta.tool_call().arguments();
        break;
      default:
        cut.push_back(delta);
        continue;
    }
    bool first = true;
    for (std::string& piece : Pieces(text)) {
      ChatDelta part = delta;
      if (!first) part.clear_logprobs();
      switch (delta.delta_case()) {
        case ChatDelta::kText:
          part.set_text(std::move(piece));
          break;
        case ChatDelta::kReasoning:
          part.set_reasoning(std::move(piece));
          break;
        case ChatDelta::kRefusal:
          part.set_refusal(std::move(piece));
          break;
        default: {
          chat::v1::ToolCallDelta* call = part.mutable_tool_call();
          call->set_arguments(std::move(piece));
          if (!first) {
            call->clear_id();
            call->clear_name();
            call->clear_signature();
          }
        }
      }
      cut.push_back(std::move(part));
      first = false;
    }
  }
  return cut;
}

}  // namespace gateway::dialect
