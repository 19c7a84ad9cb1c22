#include "common/dialect/openai_chat/request_codec.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/dialect/json_ref.h"
#include "common/dialect/json_write.h"
#include "common/dialect/opaque.h"
#include "common/dialect/request_errors.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway::dialect::openai_chat {
namespace {

using chat::v1::ChatRequest;
using chat::v1::Message;
using chat::v1::ResponseFormat;
using chat::v1::Tool;
using chat::v1::ToolChoice;

constexpr RequestField kFields[] = {
    {"model", FieldUse::kTyped},
    {"messages", FieldUse::kTyped},
    {"stream", FieldUse::kMapped},
    {"stream_options", FieldUse::kMapped},
    {"max_completion_tokens", FieldUse::kTyped},
    {"max_tokens", FieldUse::kMapped},
    {"temperature", FieldUse::kTyped},
    {"top_p", FieldUse::kTyped},
    {"n", FieldUse::kTyped},
    {"stop", FieldUse::kTyped},
    {"seed", FieldUse::kTyped},
    {"presence_penalty", FieldUse::kTyped},
    {"frequency_penalty", FieldUse::kTyped},
    {"logprobs", FieldUse::kTyped},
    {"top_logprobs", FieldUse::kTyped},
    {"logit_bias", FieldUse::kOpaque},
    {"tools", FieldUse::kTyped},
    {"tool_choice", FieldUse::kTyped},
    {"parallel_tool_calls", FieldUse::kTyped},
    {"functions", FieldUse::kOpaque},
    {"function_call", FieldUse::kOpaque},
    {"response_format", FieldUse::kTyped},
    {"reasoning_effort", FieldUse::kTyped},
    {"verbosity", FieldUse::kOpaque},
    {"modalities", FieldUse::kOpaque},
    {"audio", FieldUse::kOpaque, true},
    {"prediction", FieldUse::kOpaque},
    {"moderation", FieldUse::kOpaque},
    {"metadata", FieldUse::kOpaque},
    {"user", FieldUse::kTyped},
    {"safety_identifier", FieldUse::kOpaque},
    {"prompt_cache_key", FieldUse::kOpaque},
    {"prompt_cache_options", FieldUse::kOpaque},
    {"store", FieldUse::kOpaque, true},
    {"background", FieldUse::kOpaque, true},
    {"service_tier", FieldUse::kOpaque, true},
    {"web_search_options", FieldUse::kOpaque, true},
    {"plugins", FieldUse::kOpaque, true},
    {"search_parameters", FieldUse::kOpaque, true},
    {"enable_search", FieldUse::kOpaque, true},
    {"compound_custom", FieldUse::kOpaque, true},
    {"previous_response_id", FieldUse::kOpaque, true},
    {"conversation", FieldUse::kOpaque, true},
    {"container", FieldUse::kOpaque, true},
    {"cached_content", FieldUse::kOpaque, true},
    {"extra_body", FieldUse::kOpaque, true},
    {"models", FieldUse::kOpaque, true},
    {"route", FieldUse::kOpaque, true},
    {"provider", FieldUse::kOpaque, true},
};

// Members that decide where a call goes and what it may cost: never from an
// opaque part.
bool IsControl(absl::string_view key) {
  return key == "model" || key == "messages" || key == "stream" ||
         key == "stream_options" || key == "max_tokens" ||
         key == "max_completion_tokens" || key == "n";
}

JsonRef Find(const std::vector<JsonMember>& members, absl::string_view key) {
  JsonRef found;
  for (const JsonMember& member : members) {
    if (member.key == key) found = member.value;
  }
  return found;
}

// Whether a member is null, absent or one of `known`.
bool HasOnly(const std::vector<JsonMember>& members,
             std::initializer_list<absl::string_view> known) {
  for (const JsonMember& member : members) {
    bool found = member.value.absent();
    for (absl::string_view name : known) found |= member.key == name;
    if (!found) return false;
  }
  return true;
}

constexpr std::pair<absl::string_view, chat::v1::ReasoningEffort> kEfforts[] = {
    {"none", chat::v1::REASONING_EFFORT_NONE},
    {"minimal", chat::v1::REASONING_EFFORT_MINIMAL},
    {"low", chat::v1::REASONING_EFFORT_LOW},
    {"medium", chat::v1::REASONING_EFFORT_MEDIUM},
    {"high", chat::v1::REASONING_EFFORT_HIGH},
    {"xhigh", chat::v1::REASONING_EFFORT_XHIGH},
    {"max", chat::v1::REASONING_EFFORT_MAX},
};

constexpr std::pair<absl::string_view, ToolChoice::Mode> kChoiceModes[] = {
    {"auto", ToolChoice::MODE_AUTO},
    {"none", ToolChoice::MODE_NONE},
    {"required", ToolChoice::MODE_REQUIRED},
};

// A nullable boolean. False if it is something else.
bool TakeBool(JsonRef json, std::optional<bool>* value) {
  if (json.absent()) return true;
  *value = json.AsBool();
  return value->has_value();
}

// A nullable string. False if it is something else; "" is something else too,
// since proto cannot tell it from absence.
bool TakeString(JsonRef json, std::string* value) {
  if (json.absent()) return true;
  std::optional<std::string> text = json.AsString();
  if (!text.has_value() || text->empty()) return false;
  *value = *std::move(text);
  return true;
}

bool TakeObject(JsonRef json, std::string* value) {
  if (json.absent()) return true;
  if (!json.is(JsonType::kObject)) return false;
  *value = std::string(json.raw());
  return true;
}

bool DecodeTypedTool(JsonRef json, Tool* tool) {
  const std::vector<JsonMember> members = json.Members();
  if (Find(members, "type").AsString() != "function" ||
      !HasOnly(members, {"type", "function"})) {
    return false;
  }
  const std::vector<JsonMember> function = Find(members, "function").Members();
  if (!HasOnly(function, {"name", "description", "parameters", "strict"})) {
    return false;
  }
  std::optional<bool> strict;
  if (!TakeBool(Find(function, "strict"), &strict) ||
      !TakeString(Find(function, "name"), tool->mutable_name()) ||
      !TakeString(Find(function, "description"), tool->mutable_description()) ||
      !TakeObject(Find(function, "parameters"),
                  tool->mutable_parameters_schema()) ||
      tool->name().empty()) {
    return false;
  }
  if (strict.has_value()) tool->set_strict(*strict);
  return true;
}

bool DecodeToolChoice(JsonRef json, ToolChoice* choice) {
  if (const std::optional<std::string> mode = json.AsString();
      mode.has_value()) {
    for (const auto& [name, value] : kChoiceModes) {
      if (*mode == name) choice->set_mode(value);
    }
    return choice->mode() != ToolChoice::MODE_UNSPECIFIED;
  }
  const std::vector<JsonMember> members = json.Members();
  const std::vector<JsonMember> function = Find(members, "function").Members();
  if (Find(members, "type").AsString() != "function" ||
      !HasOnly(members, {"type", "function"}) || !HasOnly(function, {"name"}) ||
      !TakeString(Find(function, "name"), choice->mutable_name()) ||
      choice->name().empty()) {
    return false;
  }
  choice->set_mode(ToolChoice::MODE_NAMED);
  return true;
}

bool DecodeResponseFormat(JsonRef json, ResponseFormat* format) {
  const std::vector<JsonMember> members = json.Members();
  const std::optional<std::string> type = Find(members, "type").AsString();
  if (type == "text" || type == "json_object") {
    format->set_type(type == "text" ? ResponseFormat::TYPE_TEXT
                                    : ResponseFormat::TYPE_JSON_OBJECT);
    return HasOnly(members, {"type"});
  }
  if (type != "json_schema" || !HasOnly(members, {"type", "json_schema"})) {
    return false;
  }
  const std::vector<JsonMember> inner = Find(members, "json_schema").Members();
  std::optional<bool> strict;
  if (!HasOnly(inner, {"name", "description", "schema", "strict"}) ||
      !TakeBool(Find(inner, "strict"), &strict) ||
      !TakeString(Find(inner, "name"), format->mutable_name()) ||
      !TakeString(Find(inner, "description"), format->mutable_description()) ||
      !TakeObject(Find(inner, "schema"), format->mutable_schema())) {
    return false;
  }
  format->set_type(ResponseFormat::TYPE_JSON_SCHEMA);
  if (strict.has_value()) format->set_strict(*strict);
  return true;
}

absl::Status DecodeStop(JsonRef json, ChatRequest* chat) {
  if (std::optional<std::string> stop = json.AsString(); stop.has_value()) {
    chat->add_stop(*std::move(stop));
    return absl::OkStatus();
  }
  if (!json.is(JsonType::kArray)) {
    return WrongType("stop", "a string or an array of strings", json.type());
  }
  for (const JsonRef element : json.Elements()) {
    std::optional<std::string> stop = element.AsString();
    if (!stop.has_value()) {
      return WrongType(absl::StrCat("stop[", chat->stop_size(), "]"),
                       "a string", element.type());
    }
    chat->add_stop(*std::move(stop));
  }
  return absl::OkStatus();
}

absl::Status DecodeNumber(const JsonMember& member, double* value) {
  const std::optional<double> number = member.value.AsDouble();
  if (!number.has_value()) {
    if (member.value.is(JsonType::kNumber)) {
      return WrongValue(member.key, "a number in range");
    }
    return WrongType(member.key, "a number", member.value.type());
  }
  *value = *number;
  return absl::OkStatus();
}

absl::Status DecodeWhole(const JsonMember& member, int64_t* value) {
  const std::optional<int64_t> number = member.value.AsInt64();
  if (!number.has_value()) {
    if (member.value.is(JsonType::kNumber)) {
      return WrongValue(member.key, "a whole number in range");
    }
    return WrongType(member.key, "a whole number", member.value.type());
  }
  *value = *number;
  return absl::OkStatus();
}

absl::Status DecodeFlag(const JsonMember& member, bool* value) {
  const std::optional<bool> flag = member.value.AsBool();
  if (!flag.has_value()) {
    return WrongType(member.key, "a boolean", member.value.type());
  }
  *value = *flag;
  return absl::OkStatus();
}

// Takes `member` into `chat`, or leaves it for the extras.
absl::Status DecodeMember(const JsonMember& member, ChatRequest* chat,
                          ExtraMembers* extras) {
  const absl::string_view key = member.key;
  const JsonRef value = member.value;
  double real = 0;
  int64_t whole = 0;
  bool flag = false;
  if (key == "temperature") {
    RETURN_IF_ERROR(DecodeNumber(member, &real));
    chat->set_temperature(real);
  } else if (key == "top_p") {
    RETURN_IF_ERROR(DecodeNumber(member, &real));
    chat->set_top_p(real);
  } else if (key == "presence_penalty") {
    RETURN_IF_ERROR(DecodeNumber(member, &real));
    chat->set_presence_penalty(real);
  } else if (key == "frequency_penalty") {
    RETURN_IF_ERROR(DecodeNumber(member, &real));
    chat->set_frequency_penalty(real);
  } else if (key == "n") {
    RETURN_IF_ERROR(DecodeWhole(member, &whole));
    chat->set_choice_count(static_cast<int32_t>(whole));
  } else if (key == "seed") {
    RETURN_IF_ERROR(DecodeWhole(member, &whole));
    chat->set_seed(whole);
  } else if (key == "top_logprobs") {
    RETURN_IF_ERROR(DecodeWhole(member, &whole));
    if (whole < 0 || whole > 20) {
      return WrongValue(key, "a whole number from 0 to 20");
    }
    chat->set_top_logprobs(static_cast<int32_t>(whole));
  } else if (key == "logprobs") {
    RETURN_IF_ERROR(DecodeFlag(member, &flag));
    chat->set_logprobs(flag);
  } else if (key == "parallel_tool_calls") {
    RETURN_IF_ERROR(DecodeFlag(member, &flag));
    chat->set_parallel_tool_calls(flag);
  } else if (key == "stop") {
    RETURN_IF_ERROR(DecodeStop(value, chat));
  } else if (key == "user") {
    std::optional<std::string> user = value.AsString();
    if (!user.has_value()) return WrongType(key, "a string", value.type());
    chat->set_end_user(*std::move(user));
  } else if (key == "tools") {
    for (const JsonRef element : value.Elements()) {
      Tool* tool = chat->add_tools();
      if (DecodeTypedTool(element, tool)) continue;
      tool->Clear();
      tool->mutable_opaque()->set_dialect(std::string(kDialect));
      tool->mutable_opaque()->set_json(std::string(element.raw()));
    }
  } else if (key == "tool_choice") {
    if (!DecodeToolChoice(value, chat->mutable_tool_choice())) {
      chat->clear_tool_choice();
      extras->Add(key, value);
    }
  } else if (key == "response_format") {
    if (!DecodeResponseFormat(value, chat->mutable_response_format())) {
      chat->clear_response_format();
      extras->Add(key, value);
    }
  } else if (key == "reasoning_effort") {
    const std::optional<std::string> effort = value.AsString();
    for (const auto& [name, level] : kEfforts) {
      if (effort == name) chat->set_reasoning_effort(level);
    }
    if (chat->reasoning_effort() == chat::v1::REASONING_EFFORT_UNSPECIFIED) {
      extras->Add(key, value);
    }
  } else {
    extras->Add(key, value);
  }
  return absl::OkStatus();
}

absl::Status CheckJson(absl::string_view json, absl::string_view param) {
  const std::optional<JsonRef> parsed = ParseJson(json);
  if (!parsed.has_value() || !parsed->is(JsonType::kObject)) {
    return WrongValue(param, "a JSON object");
  }
  return absl::OkStatus();
}

absl::Status WriteTool(const Tool& tool, absl::string_view param,
                       std::string* out) {
  if (tool.has_opaque()) {
    if (tool.opaque().dialect() != kDialect) {
      return NoPlaceFor(param, "this tool of another dialect");
    }
    RETURN_IF_ERROR(CheckJson(tool.opaque().json(), param));
    out->append(tool.opaque().json());
    return absl::OkStatus();
  }
  if (tool.name().empty())
    return MissingParameter(absl::StrCat(param, ".name"));
  JsonObject object(out);
  object.String("type", "function");
  JsonObject function(object.Member("function"));
  function.String("name", tool.name());
  if (!tool.description().empty()) {
    function.String("description", tool.description());
  }
  if (!tool.parameters_schema().empty()) {
    RETURN_IF_ERROR(CheckJson(tool.parameters_schema(),
                              absl::StrCat(param, ".parameters_schema")));
    function.Raw("parameters", tool.parameters_schema());
  }
  if (tool.has_strict()) function.Bool("strict", tool.strict());
  return absl::OkStatus();
}

void WriteToolChoice(const ToolChoice& choice, JsonObject* out) {
  if (choice.mode() == ToolChoice::MODE_NAMED) {
    JsonObject object(out->Member("tool_choice"));
    object.String("type", "function");
    JsonObject function(object.Member("function"));
    function.String("name", choice.name());
    return;
  }
  for (const auto& [name, mode] : kChoiceModes) {
    if (choice.mode() == mode) out->String("tool_choice", name);
  }
}

absl::Status WriteResponseFormat(const ResponseFormat& format,
                                 JsonObject* out) {
  switch (format.type()) {
    case ResponseFormat::TYPE_TEXT:
      out->Raw("response_format", R"({"type":"text"})");
      return absl::OkStatus();
    case ResponseFormat::TYPE_JSON_OBJECT:
      out->Raw("response_format", R"({"type":"json_object"})");
      return absl::OkStatus();
    case ResponseFormat::TYPE_JSON_SCHEMA:
      break;
    default:
      return absl::OkStatus();
  }
  JsonObject object(out->Member("response_format"));
  object.String("type", "json_schema");
  JsonObject schema(object.Member("json_schema"));
  if (!format.name().empty()) schema.String("name", format.name());
  if (!format.description().empty()) {
    schema.String("description", format.description());
  }
  if (!format.schema().empty()) {
    RETURN_IF_ERROR(CheckJson(format.schema(), "response_format.schema"));
    schema.Raw("schema", format.schema());
  }
  if (format.has_strict()) schema.Bool("strict", format.strict());
  return absl::OkStatus();
}

void WriteScalars(const ChatRequest& chat, const RequestEncoding& encoding,
                  JsonObject* out) {
  if (chat.has_parallel_tool_calls()) {
    out->Bool("parallel_tool_calls", chat.parallel_tool_calls());
  }
  if (chat.has_max_output_tokens()) {
    out->Int(encoding.max_tokens_field, chat.max_output_tokens());
  }
  if (chat.has_temperature()) out->Double("temperature", chat.temperature());
  if (chat.has_top_p()) out->Double("top_p", chat.top_p());
  if (chat.has_choice_count()) out->Int("n", chat.choice_count());
  if (!chat.stop().empty()) {
    JsonArray stop(out->Member("stop"));
    for (const std::string& text : chat.stop()) {
      AppendJsonString(text, stop.Element());
    }
  }
  if (chat.has_seed()) out->Int("seed", chat.seed());
  if (chat.has_presence_penalty()) {
    out->Double("presence_penalty", chat.presence_penalty());
  }
  if (chat.has_frequency_penalty()) {
    out->Double("frequency_penalty", chat.frequency_penalty());
  }
  for (const auto& [name, effort] : kEfforts) {
    if (chat.reasoning_effort() == effort)
      out->String("reasoning_effort", name);
  }
  if (chat.has_logprobs()) out->Bool("logprobs", chat.logprobs());
  if (chat.has_top_logprobs()) out->Int("top_logprobs", chat.top_logprobs());
  if (!chat.end_user().empty()) out->String("user", chat.end_user());
}

// Whether `chat` itself gives the member, so that an extra must not.
bool IsGiven(const ChatRequest& chat, absl::string_view key) {
  if (key == "tools") return chat.tools_size() > 0;
  if (key == "tool_choice") return chat.has_tool_choice();
  if (key == "parallel_tool_calls") return chat.has_parallel_tool_calls();
  if (key == "response_format") return chat.has_response_format();
  if (key == "temperature") return chat.has_temperature();
  if (key == "top_p") return chat.has_top_p();
  if (key == "stop") return chat.stop_size() > 0;
  if (key == "seed") return chat.has_seed();
  if (key == "presence_penalty") return chat.has_presence_penalty();
  if (key == "frequency_penalty") return chat.has_frequency_penalty();
  if (key == "reasoning_effort") {
    return chat.reasoning_effort() != chat::v1::REASONING_EFFORT_UNSPECIFIED;
  }
  if (key == "logprobs") return chat.has_logprobs();
  if (key == "top_logprobs") return chat.has_top_logprobs();
  if (key == "user") return !chat.end_user().empty();
  return false;
}

absl::Status WriteExtras(const ChatRequest& chat, JsonObject* out) {
  for (int i = 0; i < chat.extras_size(); ++i) {
    if (chat.extras(i).dialect() != kDialect) continue;
    RETURN_IF_ERROR(
        CheckJson(chat.extras(i).json(), absl::StrCat("extras[", i, "]")));
  }
  std::vector<absl::string_view> written;
  const std::vector<JsonMember> members = MembersOf(chat.extras(), kDialect);
  for (const JsonMember& member : members) {
    const std::string param = absl::StrCat("extras.", member.key);
    if (IsControl(member.key)) {
      return WrongValue(param, "given by its own field");
    }
    if (IsGiven(chat, member.key)) return RepeatedKey(param);
    for (absl::string_view key : written) {
      if (key == member.key) return RepeatedKey(param);
    }
    written.push_back(member.key);
    out->Raw(member.key, member.value.raw());
  }
  return absl::OkStatus();
}

absl::Status WriteRequest(const ChatRequest& chat,
                          const RequestEncoding& encoding, std::string* out) {
  JsonObject body(out);
  body.String("model", encoding.model.empty() ? chat.model() : encoding.model);
  {
    JsonArray messages(body.Member("messages"));
    for (int i = 0; i < chat.messages_size(); ++i) {
      RETURN_IF_ERROR(AppendMessage(chat.messages(i),
                                    absl::StrCat("messages[", i, "]"),
                                    encoding.messages, &messages));
    }
  }
  if (chat.tools_size() > 0) {
    JsonArray tools(body.Member("tools"));
    for (int i = 0; i < chat.tools_size(); ++i) {
      RETURN_IF_ERROR(WriteTool(chat.tools(i), absl::StrCat("tools[", i, "]"),
                                tools.Element()));
    }
  }
  if (chat.has_tool_choice()) WriteToolChoice(chat.tool_choice(), &body);
  if (chat.has_response_format()) {
    RETURN_IF_ERROR(WriteResponseFormat(chat.response_format(), &body));
  }
  WriteScalars(chat, encoding, &body);
  RETURN_IF_ERROR(WriteExtras(chat, &body));
  if (encoding.stream) {
    body.Bool("stream", true);
    if (encoding.include_usage) {
      body.Raw("stream_options", R"({"include_usage":true})");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DecodedRequest> DecodeRequest(absl::string_view body) {
  DecodedRequest decoded;
  ASSIGN_OR_RETURN(decoded.envelope, ReadEnvelope(body));
  ChatRequest& chat = decoded.chat;
  chat.set_model(decoded.envelope.model);
  ASSIGN_OR_RETURN(*chat.mutable_messages(),
                   DecodeMessages(body, decoded.envelope));
  ExtraMembers extras;
  for (const JsonMember& member : JsonRef(body).Members()) {
    if (member.value.absent()) continue;
    const absl::string_view key = member.key;
    if (key == "max_completion_tokens" ||
        (key == "max_tokens" && !chat.has_max_output_tokens())) {
      int64_t bound = 0;
      RETURN_IF_ERROR(DecodeWhole(member, &bound));
      chat.set_max_output_tokens(bound);
    } else if (!IsControl(key) || key == "n") {
      RETURN_IF_ERROR(DecodeMember(member, &chat, &extras));
    }
  }
  extras.AppendTo(kDialect, chat.mutable_extras());
  return decoded;
}

absl::StatusOr<google::protobuf::RepeatedPtrField<Message>> DecodeMessages(
    absl::string_view body, const Envelope& envelope) {
  google::protobuf::RepeatedPtrField<Message> messages;
  messages.Reserve(envelope.message_count);
  const JsonRef list(
      body.substr(envelope.messages.begin,
                  envelope.messages.end - envelope.messages.begin));
  for (const JsonRef element : list.Elements()) {
    const std::string param = absl::StrCat("messages[", messages.size(), "]");
    RETURN_IF_ERROR(
        DecodeMessage(element, param, MessageSource::kRequest, messages.Add()));
  }
  return messages;
}

absl::StatusOr<std::string> EncodeRequest(const ChatRequest& chat,
                                          const RequestEncoding& encoding,
                                          const AuthorityPolicy& policy) {
  std::string body;
  RETURN_IF_ERROR(WriteRequest(chat, encoding, &body));
  // The same eyes as for a caller's own bytes: opaque parts may hold anything.
  ASSIGN_OR_RETURN(const Envelope envelope, ReadEnvelope(body));
  RETURN_IF_ERROR(CheckAuthority(envelope.authority_uses, policy));
  return body;
}

absl::Span<const RequestField> RequestFields() { return kFields; }

}  // namespace gateway::dialect::openai_chat
