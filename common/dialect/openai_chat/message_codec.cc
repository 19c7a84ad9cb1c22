#include "common/dialect/openai_chat/message_codec.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/dialect/opaque.h"
#include "common/dialect/openai_chat/envelope.h"
#include "common/dialect/request_errors.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway::dialect::openai_chat {
namespace {

using chat::v1::ContentPart;
using chat::v1::Message;
using chat::v1::ToolCall;
using chat::v1::ToolResult;
using Parts = google::protobuf::RepeatedPtrField<ContentPart>;

// Whether the object has no members but these; null ones do not count.
bool HasOnly(const std::vector<JsonMember>& members,
             std::initializer_list<absl::string_view> known) {
  for (const JsonMember& member : members) {
    bool found = member.value.absent();
    for (absl::string_view name : known) found |= member.key == name;
    if (!found) return false;
  }
  return true;
}

JsonRef Find(const std::vector<JsonMember>& members, absl::string_view key) {
  JsonRef found;
  for (const JsonMember& member : members) {
    if (member.key == key) found = member.value;
  }
  return found;
}

// `data:<media type>;base64,<data>`. False unless the same comes out of
// DataUrl.
bool ParseDataUrl(absl::string_view url, std::string* media_type,
                  std::string* data) {
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "data:")) return false;
  constexpr absl::string_view kMark = ";base64,";
  const size_t mark = rest.find(kMark);
  if (mark == absl::string_view::npos || mark == 0) return false;
  *media_type = std::string(rest.substr(0, mark));
  rest.remove_prefix(mark + kMark.size());
  return absl::Base64Unescape(rest, data) && absl::Base64Escape(*data) == rest;
}

std::string DataUrl(absl::string_view media_type, absl::string_view data) {
  return absl::StrCat("data:", media_type, ";base64,",
                      absl::Base64Escape(data));
}

bool IsWebUrl(absl::string_view url) {
  return absl::StartsWithIgnoreCase(url, "https://") ||
         absl::StartsWithIgnoreCase(url, "http://");
}

constexpr std::pair<absl::string_view, chat::v1::ImageDetail> kDetails[] = {
    {"auto", chat::v1::IMAGE_DETAIL_AUTO},
    {"low", chat::v1::IMAGE_DETAIL_LOW},
    {"high", chat::v1::IMAGE_DETAIL_HIGH},
};

bool DecodeImage(JsonRef json, chat::v1::ImagePart* image) {
  const std::vector<JsonMember> members = json.Members();
  const std::optional<std::string> url = Find(members, "url").AsString();
  if (!url.has_value() || !HasOnly(members, {"url", "detail"})) return false;
  if (const JsonRef detail = Find(members, "detail"); !detail.absent()) {
    const std::optional<std::string> name = detail.AsString();
    for (const auto& [spelling, value] : kDetails) {
      if (name == spelling) image->set_detail(value);
    }
    if (image->detail() == chat::v1::IMAGE_DETAIL_UNSPECIFIED) return false;
  }
  if (IsWebUrl(*url)) {
    image->set_url(*url);
    return true;
  }
  return ParseDataUrl(*url, image->mutable_media_type(), image->mutable_data());
}

bool DecodeAudio(JsonRef json, chat::v1::AudioPart* audio) {
  const std::vector<JsonMember> members = json.Members();
  const std::optional<std::string> data = Find(members, "data").AsString();
  const std::optional<std::string> format = Find(members, "format").AsString();
  if (!data.has_value() || !format.has_value() ||
      !HasOnly(members, {"data", "format"})) {
    return false;
  }
  audio->set_format(*format);
  return absl::Base64Unescape(*data, audio->mutable_data()) &&
         absl::Base64Escape(audio->data()) == *data;
}

bool DecodeFile(JsonRef json, chat::v1::FilePart* file) {
  const std::vector<JsonMember> members = json.Members();
  if (!HasOnly(members, {"file_id", "file_data", "filename"})) return false;
  if (const JsonRef name = Find(members, "filename"); !name.absent()) {
    const std::optional<std::string> filename = name.AsString();
    if (!filename.has_value() || filename->empty()) return false;
    file->set_filename(*filename);
  }
  const JsonRef id = Find(members, "file_id");
  const JsonRef data = Find(members, "file_data");
  if (id.absent() == data.absent()) return false;
  if (!id.absent()) {
    const std::optional<std::string> file_id = id.AsString();
    if (!file_id.has_value()) return false;
    file->set_file_id(*file_id);
    return true;
  }
  const std::optional<std::string> url = data.AsString();
  return url.has_value() &&
         ParseDataUrl(*url, file->mutable_media_type(), file->mutable_data());
}

// False if the typed form cannot hold all of it.
bool DecodeTypedPart(JsonRef json, ContentPart* part) {
  const std::vector<JsonMember> members = json.Members();
  const std::optional<std::string> type = Find(members, "type").AsString();
  if (!type.has_value() || !HasOnly(members, {"type", *type})) return false;
  const JsonRef value = Find(members, *type);
  if (*type == "text" || *type == "refusal") {
    std::optional<std::string> text = value.AsString();
    if (!text.has_value()) return false;
    if (*type == "text") {
      part->mutable_text()->set_text(*std::move(text));
    } else {
      part->mutable_refusal()->set_text(*std::move(text));
    }
    return true;
  }
  if (*type == "image_url") return DecodeImage(value, part->mutable_image());
  if (*type == "input_audio") return DecodeAudio(value, part->mutable_audio());
  if (*type == "file") return DecodeFile(value, part->mutable_file());
  return false;
}

void DecodePart(JsonRef json, ContentPart* part) {
  if (DecodeTypedPart(json, part)) return;
  part->Clear();
  part->mutable_opaque()->set_dialect(std::string(kDialect));
  part->mutable_opaque()->set_json(std::string(json.raw()));
}

// A string or a list of parts. `as_list`: it is a list of texts only.
absl::Status DecodeContent(JsonRef json, absl::string_view param,
                           MessageSource source, Parts* parts, bool* as_list) {
  if (json.absent()) return absl::OkStatus();
  if (std::optional<std::string> text = json.AsString(); text.has_value()) {
    if (source == MessageSource::kAnswer && text->empty()) {
      return absl::OkStatus();
    }
    parts->Add()->mutable_text()->set_text(*std::move(text));
    return absl::OkStatus();
  }
  if (!json.is(JsonType::kArray)) {
    return WrongType(param, "a string or an array of parts", json.type());
  }
  *as_list = source == MessageSource::kRequest;
  for (const JsonRef element : json.Elements()) {
    ContentPart* part = parts->Add();
    DecodePart(element, part);
    if (!part->has_text() && !part->has_refusal()) *as_list = false;
  }
  return absl::OkStatus();
}

void DecodeToolCalls(const JsonMember& member, Parts* parts,
                     ExtraMembers* extras) {
  Parts calls;
  for (const JsonRef element : member.value.Elements()) {
    if (!DecodeToolCall(element, calls.Add()->mutable_tool_call())) {
      extras->Add(member.key, member.value);
      return;
    }
  }
  if (calls.empty() && !member.value.is(JsonType::kArray)) {
    extras->Add(member.key, member.value);
  }
  for (ContentPart& call : calls) *parts->Add() = std::move(call);
}

std::optional<chat::v1::Role> ParseRole(absl::string_view role) {
  if (role == "system") return chat::v1::ROLE_SYSTEM;
  if (role == "developer") return chat::v1::ROLE_DEVELOPER;
  if (role == "user") return chat::v1::ROLE_USER;
  if (role == "assistant") return chat::v1::ROLE_ASSISTANT;
  // The predecessor of `tool`: a result without a call's id.
  if (role == "tool" || role == "function") return chat::v1::ROLE_TOOL;
  return std::nullopt;
}

absl::string_view RoleName(chat::v1::Role role,
                           const MessageEncoding& encoding) {
  switch (role) {
    case chat::v1::ROLE_SYSTEM:
      return "system";
    case chat::v1::ROLE_DEVELOPER:
      return encoding.developer_as_system ? "system" : "developer";
    case chat::v1::ROLE_USER:
      return "user";
    case chat::v1::ROLE_ASSISTANT:
      return "assistant";
    case chat::v1::ROLE_TOOL:
      return "tool";
    default:
      return "";
  }
}

bool IsForeign(const chat::v1::OpaquePart& opaque) {
  return opaque.dialect() != kDialect;
}

// Parts of which `content` is made; the others have members of their own.
bool BelongsToContent(const ContentPart& part, bool as_list) {
  switch (part.part_case()) {
    case ContentPart::kText:
    case ContentPart::kImage:
    case ContentPart::kAudio:
    case ContentPart::kFile:
      return true;
    case ContentPart::kOpaque:
      return !IsForeign(part.opaque());
    case ContentPart::kRefusal:
      return as_list;
    default:
      return false;
  }
}

absl::Status WritePart(const ContentPart& part, absl::string_view param,
                       std::string* out) {
  switch (part.part_case()) {
    case ContentPart::kText: {
      JsonObject object(out);
      object.String("type", "text");
      object.String("text", part.text().text());
      return absl::OkStatus();
    }
    case ContentPart::kRefusal: {
      JsonObject object(out);
      object.String("type", "refusal");
      object.String("refusal", part.refusal().text());
      return absl::OkStatus();
    }
    case ContentPart::kImage: {
      const chat::v1::ImagePart& image = part.image();
      if (image.has_data() && image.media_type().empty()) {
        return MissingParameter(absl::StrCat(param, ".image.media_type"));
      }
      JsonObject object(out);
      object.String("type", "image_url");
      JsonObject nested(object.Member("image_url"));
      nested.String("url", image.has_data()
                               ? DataUrl(image.media_type(), image.data())
                               : image.url());
      for (const auto& [spelling, value] : kDetails) {
        if (image.detail() == value) nested.String("detail", spelling);
      }
      return absl::OkStatus();
    }
    case ContentPart::kAudio: {
      JsonObject object(out);
      object.String("type", "input_audio");
      JsonObject nested(object.Member("input_audio"));
      nested.String("data", absl::Base64Escape(part.audio().data()));
      nested.String("format", part.audio().format());
      return absl::OkStatus();
    }
    case ContentPart::kFile: {
      const chat::v1::FilePart& file = part.file();
      if (file.has_url()) return NoPlaceFor(param, "documents by URL");
      JsonObject object(out);
      object.String("type", "file");
      JsonObject nested(object.Member("file"));
      if (file.has_file_id()) {
        nested.String("file_id", file.file_id());
      } else {
        nested.String("file_data", DataUrl(file.media_type().empty()
                                               ? "application/octet-stream"
                                               : file.media_type(),
                                           file.data()));
      }
      if (!file.filename().empty()) nested.String("filename", file.filename());
      return absl::OkStatus();
    }
    case ContentPart::kOpaque: {
      const std::optional<JsonRef> json = ParseJson(part.opaque().json());
      if (!json.has_value() || !json->is(JsonType::kObject)) {
        return WrongValue(param, "a JSON object");
      }
      out->append(json->raw().data(), json->raw().size());
      return absl::OkStatus();
    }
    default:
      return NoPlaceFor(param, "such a part");
  }
}

// Writes `content`. Texts alone become one string unless `as_list`.
absl::Status WriteContent(const Parts& parts, bool as_list,
                          absl::string_view empty, absl::string_view param,
                          JsonObject* out) {
  bool only_text = !as_list;
  bool any = as_list;
  for (const ContentPart& part : parts) {
    if (!BelongsToContent(part, as_list)) continue;
    any = true;
    if (!part.has_text()) only_text = false;
  }
  if (!any) {
    out->Raw("content", empty);
    return absl::OkStatus();
  }
  if (only_text) {
    std::string joined;
    const std::string* whole = &joined;
    int texts = 0;
    for (const ContentPart& part : parts) {
      if (part.has_text()) ++texts;
    }
    for (const ContentPart& part : parts) {
      if (!part.has_text()) continue;
      if (texts == 1) {
        whole = &part.text().text();
      } else {
        joined.append(part.text().text());
      }
    }
    out->String("content", *whole);
    return absl::OkStatus();
  }
  JsonArray list(out->Member("content"));
  int index = 0;
  for (const ContentPart& part : parts) {
    if (BelongsToContent(part, as_list)) {
      RETURN_IF_ERROR(WritePart(
          part, absl::StrCat(param, ".content[", index, "]"), list.Element()));
    }
    ++index;
  }
  return absl::OkStatus();
}

void WriteToolCalls(const Message& message, JsonObject* out) {
  int calls = 0;
  const ToolCall* legacy = nullptr;
  for (const ContentPart& part : message.content()) {
    if (!part.has_tool_call()) continue;
    ++calls;
    if (part.tool_call().id().empty()) legacy = &part.tool_call();
  }
  if (calls == 0) return;
  if (calls == 1 && legacy != nullptr && !legacy->custom()) {
    JsonObject call(out->Member("function_call"));
    call.String("name", legacy->name());
    call.String("arguments", legacy->arguments());
    return;
  }
  JsonArray list(out->Member("tool_calls"));
  for (const ContentPart& part : message.content()) {
    if (part.has_tool_call()) WriteToolCall(part.tool_call(), list.Element());
  }
}

void WriteReasoning(const Message& message, const MessageEncoding& encoding,
                    JsonObject* out) {
  if (encoding.reasoning_field.empty()) return;
  std::string reasoning;
  for (const ContentPart& part : message.content()) {
    if (part.has_reasoning()) reasoning.append(part.reasoning().text());
  }
  if (!reasoning.empty()) out->String(encoding.reasoning_field, reasoning);
}

void WriteRefusal(const Message& message, bool always, JsonObject* out) {
  std::string refusal;
  bool any = false;
  for (const ContentPart& part : message.content()) {
    if (!part.has_refusal() || message.content_as_list()) continue;
    any = true;
    refusal.append(part.refusal().text());
  }
  if (any) {
    out->String("refusal", refusal);
  } else if (always) {
    out->Null("refusal");
  }
}

// Members that AppendMessage writes itself; extras may not repeat them. (A
// `tool_calls` that no ToolCall could hold comes back as an extra.)
bool IsWritten(absl::string_view key, bool has_calls) {
  return key == "role" || key == "content" || key == "name" ||
         key == "refusal" || key == "tool_call_id" ||
         (has_calls && (key == "tool_calls" || key == "function_call"));
}

// What providers give but do not take back.
bool IsAnswerOnly(absl::string_view key) {
  return key == "annotations" || key == "audio";
}

void WriteExtras(const Message& message, const MessageEncoding& encoding,
                 JsonObject* out) {
  bool has_calls = false;
  for (const ContentPart& part : message.content()) {
    has_calls |= part.has_tool_call();
  }
  std::vector<absl::string_view> written;
  const std::vector<JsonMember> members = MembersOf(message.extras(), kDialect);
  for (const JsonMember& member : members) {
    if (IsWritten(member.key, has_calls)) continue;
    if (member.key == encoding.reasoning_field) continue;
    if (encoding.from_store && IsAnswerOnly(member.key)) continue;
    bool repeated = false;
    for (absl::string_view key : written) repeated |= key == member.key;
    if (repeated) continue;
    written.push_back(member.key);
    out->Raw(member.key, member.value.raw());
  }
}

absl::Status AppendToolResult(const Message& message, const ToolResult& result,
                              absl::string_view param, bool extras,
                              const MessageEncoding& encoding, JsonArray* out) {
  JsonObject object(out->Element());
  if (result.tool_call_id().empty() && !result.name().empty()) {
    object.String("role", "function");
    object.String("name", result.name());
  } else {
    object.String("role", "tool");
    if (!result.tool_call_id().empty()) {
      object.String("tool_call_id", result.tool_call_id());
    }
    if (!message.name().empty()) object.String("name", message.name());
  }
  RETURN_IF_ERROR(WriteContent(result.content(), message.content_as_list(),
                               "\"\"", param, &object));
  if (extras) WriteExtras(message, encoding, &object);
  return absl::OkStatus();
}

}  // namespace

bool DecodeToolCall(JsonRef json, ToolCall* call) {
  const std::vector<JsonMember> members = json.Members();
  const std::optional<std::string> type = Find(members, "type").AsString();
  const bool custom = type == "custom";
  if (type.has_value() && !custom && *type != "function") return false;
  const absl::string_view kind = custom ? "custom" : "function";
  // `index` belongs to streams; some callers send it back.
  if (!HasOnly(members, {"id", "type", "index", "extra_content", kind})) {
    return false;
  }
  if (const JsonRef id = Find(members, "id"); !id.absent()) {
    std::optional<std::string> text = id.AsString();
    if (!text.has_value()) return false;
    call->set_id(*std::move(text));
  }
  if (const JsonRef extra = Find(members, "extra_content"); !extra.absent()) {
    const std::vector<JsonMember> google = extra.Members();
    const std::vector<JsonMember> inner = Find(google, "google").Members();
    std::optional<std::string> signature =
        Find(inner, "thought_signature").AsString();
    if (!signature.has_value() || !HasOnly(google, {"google"}) ||
        !HasOnly(inner, {"thought_signature"})) {
      return false;
    }
    call->set_signature(*std::move(signature));
  }
  call->set_custom(custom);
  const std::vector<JsonMember> function = Find(members, kind).Members();
  const absl::string_view text = custom ? "input" : "arguments";
  if (!HasOnly(function, {"name", text})) return false;
  std::optional<std::string> name = Find(function, "name").AsString();
  if (!name.has_value()) return false;
  call->set_name(*std::move(name));
  const JsonRef arguments = Find(function, text);
  if (std::optional<std::string> string = arguments.AsString();
      string.has_value()) {
    call->set_arguments(*std::move(string));
  } else if (arguments.is(JsonType::kObject)) {
    // Some servers forget to quote it.
    call->set_arguments(std::string(arguments.raw()));
  } else if (!arguments.absent()) {
    return false;
  }
  return true;
}

absl::Status DecodeMessage(JsonRef json, absl::string_view param,
                           MessageSource source, Message* message) {
  if (!json.is(JsonType::kObject))
    return WrongType(param, "an object", json.type());
  const auto name = [param](absl::string_view member) {
    return absl::StrCat(param, ".", member);
  };
  const std::vector<JsonMember> members = json.Members();
  const JsonRef role_json = Find(members, "role");
  std::optional<std::string> role_name = role_json.AsString();
  if (!role_name.has_value()) {
    if (!role_json.absent()) {
      return WrongType(name("role"), "a string", role_json.type());
    }
    if (source == MessageSource::kRequest)
      return MissingParameter(name("role"));
    role_name = "assistant";
  }
  const std::optional<chat::v1::Role> role = ParseRole(*role_name);
  if (!role.has_value()) {
    return WrongValue(name("role"),
                      "one of system, developer, user, assistant, tool");
  }
  message->set_role(*role);

  ExtraMembers extras;
  ToolResult* result = nullptr;
  if (*role == chat::v1::ROLE_TOOL) {
    result = message->add_content()->mutable_tool_result();
  }
  // In the order of a whole answer: reasoning, content, refusal, calls.
  Parts* parts = result == nullptr ? message->mutable_content()
                                   : result->mutable_content();
  const JsonRef reasoning_content = Find(members, "reasoning_content");
  const JsonRef reasoning = Find(members, "reasoning");
  for (const JsonRef value : {reasoning_content, reasoning}) {
    std::optional<std::string> text = value.AsString();
    if (!text.has_value() || result != nullptr) continue;
    if (text->empty() && source == MessageSource::kAnswer) continue;
    parts->Add()->mutable_reasoning()->set_text(*std::move(text));
    break;
  }
  bool as_list = false;
  RETURN_IF_ERROR(DecodeContent(Find(members, "content"), name("content"),
                                source, parts, &as_list));
  message->set_content_as_list(as_list);
  if (std::optional<std::string> refusal = Find(members, "refusal").AsString();
      refusal.has_value() && result == nullptr &&
      !(refusal->empty() && source == MessageSource::kAnswer)) {
    message->add_content()->mutable_refusal()->set_text(*std::move(refusal));
  }

  for (const JsonMember& member : members) {
    const absl::string_view key = member.key;
    if (member.value.absent() || key == "role" || key == "content") continue;
    std::optional<std::string> text = member.value.AsString();
    if (key == "name" && text.has_value()) {
      if (*role_name == "function") {
        result->set_name(*std::move(text));
      } else {
        message->set_name(*std::move(text));
      }
    } else if (key == "tool_call_id" && text.has_value() && result != nullptr) {
      result->set_tool_call_id(*std::move(text));
    } else if (key == "refusal" && text.has_value() && result == nullptr) {
      // Taken above.
    } else if ((key == "reasoning" || key == "reasoning_content") &&
               text.has_value() && result == nullptr &&
               (text->empty() || reasoning_content.AsString() == text ||
                reasoning_content.AsString().value_or("").empty())) {
      // Taken above, or the same under its other name.
    } else if (key == "tool_calls" && result == nullptr) {
      DecodeToolCalls(member, message->mutable_content(), &extras);
    } else if (key == "function_call" && result == nullptr &&
               member.value.is(JsonType::kObject) &&
               Find(members, "tool_calls").absent()) {
      const std::string call =
          absl::StrCat("{\"function\":", member.value.raw(), "}");
      if (!DecodeToolCall(JsonRef(call),
                          message->add_content()->mutable_tool_call())) {
        message->mutable_content()->RemoveLast();
        extras.Add(key, member.value);
      }
    } else if (key == "annotations" && source == MessageSource::kAnswer &&
               member.value.Elements().empty()) {
      // Present in each answer of some providers, and empty.
    } else {
      extras.Add(key, member.value);
    }
  }
  extras.AppendTo(kDialect, message->mutable_extras());
  return absl::OkStatus();
}

void WriteToolCall(const ToolCall& call, std::string* out) {
  JsonObject object(out);
  if (!call.id().empty()) object.String("id", call.id());
  object.String("type", call.custom() ? "custom" : "function");
  {
    JsonObject function(object.Member(call.custom() ? "custom" : "function"));
    function.String("name", call.name());
    function.String(call.custom() ? "input" : "arguments", call.arguments());
  }
  if (!call.signature().empty()) {
    JsonObject extra(object.Member("extra_content"));
    JsonObject google(extra.Member("google"));
    google.String("thought_signature", call.signature());
  }
}

void WriteAnswerMembers(const Message& message, const MessageEncoding& encoding,
                        JsonObject* out) {
  std::string text;
  bool any = false;
  for (const ContentPart& part : message.content()) {
    if (!part.has_text()) continue;
    any = true;
    text.append(part.text().text());
  }
  if (any) {
    out->String("content", text);
  } else {
    out->Null("content");
  }
  WriteRefusal(message, /*always=*/true, out);
  WriteReasoning(message, encoding, out);
  WriteToolCalls(message, out);
  WriteExtras(message, encoding, out);
}

absl::Status AppendMessage(const Message& message, absl::string_view param,
                           const MessageEncoding& encoding, JsonArray* out) {
  const absl::string_view role = RoleName(message.role(), encoding);
  if (role.empty()) return MissingParameter(absl::StrCat(param, ".role"));
  const bool assistant = message.role() == chat::v1::ROLE_ASSISTANT;
  int results = 0;
  int others = 0;
  int index = 0;
  for (const ContentPart& part : message.content()) {
    const std::string part_param =
        absl::StrCat(param, ".content[", index++, "]");
    if (part.has_tool_result()) {
      // Unknown members go with the message's only element.
      RETURN_IF_ERROR(AppendToolResult(message, part.tool_result(), part_param,
                                       message.content_size() == 1, encoding,
                                       out));
      ++results;
      continue;
    }
    ++others;
    if (assistant) continue;
    if (part.has_opaque() && IsForeign(part.opaque())) {
      return NoPlaceFor(part_param, "this part of another dialect");
    }
    if (part.has_tool_call()) {
      return WrongValue(part_param, "in a message of the assistant");
    }
  }
  if (others == 0 && (results > 0 || message.role() == chat::v1::ROLE_TOOL)) {
    if (results > 0) return absl::OkStatus();
    return WrongValue(absl::StrCat(param, ".content"),
                      "a list with a tool result");
  }
  if (message.role() == chat::v1::ROLE_TOOL) {
    return WrongValue(absl::StrCat(param, ".content"),
                      "a list of tool results only");
  }
  JsonObject object(out->Element());
  object.String("role", role);
  if (!message.name().empty()) object.String("name", message.name());
  RETURN_IF_ERROR(WriteContent(message.content(), message.content_as_list(),
                               assistant ? "null" : "\"\"", param, &object));
  if (assistant) {
    WriteRefusal(message, /*always=*/false, &object);
    WriteReasoning(message, encoding, &object);
    WriteToolCalls(message, &object);
  }
  WriteExtras(message, encoding, &object);
  return absl::OkStatus();
}

}  // namespace gateway::dialect::openai_chat
