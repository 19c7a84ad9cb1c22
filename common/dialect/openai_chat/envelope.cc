#include "common/dialect/openai_chat/envelope.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/dialect/json_scan.h"
#include "common/dialect/request_errors.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway::dialect::openai_chat {
namespace {

enum class Rule : uint8_t {
  kModel,
  kMessages,
  kStream,
  kStreamOptions,
  kMaxTokens,
  kMaxCompletionTokens,
  kChoiceCount,
  kTemperature,
  kTools,
  // Refused by default:
  kStore,
  kServiceTier,
  kServerTool,
  kProviderObject,
  kRouting,
  kAudio,
  kExtraBody,
};

struct Row {
  absl::string_view name;
  Rule rule;
};

// What is read. The fields of other vendors stand here because what they ask
// for is paid by the gateway's key all the same.
constexpr Row kRows[] = {
    {"model", Rule::kModel},
    {"messages", Rule::kMessages},
    {"stream", Rule::kStream},
    {"stream_options", Rule::kStreamOptions},
    {"max_tokens", Rule::kMaxTokens},
    {"max_completion_tokens", Rule::kMaxCompletionTokens},
    {"n", Rule::kChoiceCount},
    {"temperature", Rule::kTemperature},
    {"tools", Rule::kTools},
    {"store", Rule::kStore},
    {"background", Rule::kStore},
    {"service_tier", Rule::kServiceTier},
    {"web_search_options", Rule::kServerTool},
    {"plugins", Rule::kServerTool},
    {"search_parameters", Rule::kServerTool},
    {"enable_search", Rule::kServerTool},
    {"compound_custom", Rule::kServerTool},
    {"previous_response_id", Rule::kProviderObject},
    {"conversation", Rule::kProviderObject},
    {"container", Rule::kProviderObject},
    {"cached_content", Rule::kProviderObject},
    {"models", Rule::kRouting},
    {"route", Rule::kRouting},
    {"provider", Rule::kRouting},
    {"audio", Rule::kAudio},
    {"extra_body", Rule::kExtraBody},
};
static_assert(std::size(kRows) <= 32, "one bit each in Reader::seen_");

constexpr bool RefusedByDefault(Rule rule) { return rule >= Rule::kStore; }

// The index in kRows, or -1. One look at length and first letter rules out
// nearly all.
int FindRow(absl::string_view key) {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    const absl::string_view name = kRows[i].name;
    if (name.size() == key.size() && name[0] == key[0] && name == key) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

enum class MessageRole { kSystem, kAssistant, kOther, kUnknown };

MessageRole FindRole(absl::string_view role) {
  if (role == "user" || role == "tool" || role == "function") {
    return MessageRole::kOther;
  }
  if (role == "assistant") return MessageRole::kAssistant;
  if (role == "system" || role == "developer") return MessageRole::kSystem;
  return MessageRole::kUnknown;
}

class Reader {
 public:
  Reader(absl::string_view body, const EnvelopeLimits& limits)
      : body_(body), scan_(body), limits_(limits) {
    envelope_.size = body.size();
  }

  absl::StatusOr<Envelope> Read() {
    if (scan_.Peek() != JsonType::kObject) {
      // Not JSON at all comes first.
      if (!scan_.SkipValue() || !scan_.Finish()) return BadJson();
      return MakeError(reason::kInvalidType, "The body must be a JSON object.");
    }
    scan_.BeginObject();
    envelope_.members_begin = scan_.offset();
    JsonString key;
    while (scan_.NextMember(&key)) {
      const int row = key.escaped ? FindRow(key.Decode()) : FindRow(key.raw);
      if (row < 0) {
        scan_.SkipValue();
        continue;
      }
      const uint32_t bit = uint32_t{1} << row;
      if ((seen_ & bit) != 0) {
        return RepeatedKey(kRows[row].name);
      }
      seen_ |= bit;
      if (kRows[row].rule == Rule::kStreamOptions) {
        // With its quote.
        envelope_.stream_options_key =
            static_cast<size_t>(key.raw.data() - body_.data()) - 1;
      }
      RETURN_IF_ERROR(ReadField(kRows[row]));
    }
    if (!scan_.Finish()) return BadJson();
    if (envelope_.model_value.empty()) return MissingParameter("model");
    if (envelope_.message_count == 0) {
      return envelope_.messages.empty()
                 ? MissingParameter("messages").Build()
                 : WrongValue("messages", "a list of at least one message");
    }
    return std::move(envelope_);
  }

 private:
  absl::Status BadJson() const { return NotJson(scan_); }

  // A fault in the text goes before what it says.
  absl::Status WrongType(absl::string_view param, absl::string_view wanted) {
    const JsonType found = scan_.Peek();
    if (!scan_.SkipValue()) return BadJson();
    return dialect::WrongType(param, wanted, found);
  }

  // A null stands for a missing member. False also on a fault.
  bool TakeNull() {
    if (scan_.Peek() != JsonType::kNull) return false;
    scan_.ReadNull();
    return true;
  }

  // After a scanner call that returned false: a fault, or the end.
  absl::Status Check() const {
    return scan_.ok() ? absl::OkStatus() : BadJson();
  }

  absl::Status ReadField(const Row& row) {
    switch (row.rule) {
      case Rule::kModel:
        return ReadModel();
      case Rule::kMessages:
        return ReadMessages();
      case Rule::kStream:
        return ReadBool(row.name, &envelope_.stream);
      case Rule::kStreamOptions:
        return ReadStreamOptions();
      case Rule::kMaxTokens:
        return ReadTokenLimit(row.name, &envelope_.max_tokens);
      case Rule::kMaxCompletionTokens:
        return ReadTokenLimit(row.name, &envelope_.max_completion_tokens);
      case Rule::kChoiceCount:
        return ReadChoiceCount();
      case Rule::kTemperature:
        return ReadTemperature();
      case Rule::kTools:
        return ReadTools();
      case Rule::kServiceTier:
        return ReadServiceTier();
      case Rule::kStore: {
        bool on = false;
        RETURN_IF_ERROR(ReadBool(row.name, &on));
        if (on) Use(Authority::kStore, row.name);
        return absl::OkStatus();
      }
      case Rule::kServerTool:
        return ReadRefused(Authority::kServerTool, row.name);
      case Rule::kProviderObject:
        return ReadRefused(Authority::kProviderObject, row.name);
      case Rule::kRouting:
        return ReadRefused(Authority::kRouting, row.name);
      case Rule::kAudio:
        return ReadNested("audio", {"voice", "id"});
      case Rule::kExtraBody:
        return ReadNested("extra_body", {"google", "cached_content"});
    }
    return absl::OkStatus();
  }

  void Use(Authority authority, absl::string_view param,
           absl::string_view value = "") {
    // The first of a kind decides: a body of file ids makes no long list.
    for (const AuthorityUse& use : envelope_.authority_uses) {
      if (use.authority == authority) return;
    }
    envelope_.authority_uses.push_back(
        {authority, std::string(param), std::string(value)});
  }

  absl::Status ReadModel() {
    if (scan_.Peek() != JsonType::kString) {
      return WrongType("model", "a string");
    }
    envelope_.model_value.begin = scan_.offset();
    JsonString model;
    if (!scan_.ReadString(&model)) return BadJson();
    envelope_.model_value.end = scan_.offset();
    envelope_.model = model.Decode();
    if (envelope_.model.empty()) return WrongValue("model", "a model's name");
    return absl::OkStatus();
  }

  absl::Status ReadBool(absl::string_view name, bool* value) {
    if (TakeNull()) return absl::OkStatus();
    if (scan_.Peek() != JsonType::kBool) return WrongType(name, "a boolean");
    return scan_.ReadBool(value) ? absl::OkStatus() : BadJson();
  }

  absl::Status ReadStreamOptions() {
    const JsonType type = scan_.Peek();
    envelope_.stream_options.begin = scan_.offset();
    if (type == JsonType::kNull) {
      if (!scan_.ReadNull()) return BadJson();
      envelope_.stream_options.end = scan_.offset();
      return absl::OkStatus();
    }
    if (type != JsonType::kObject) {
      return WrongType("stream_options", "an object");
    }
    scan_.BeginObject();
    JsonString key;
    while (scan_.NextMember(&key)) {
      envelope_.stream_options_has_members = true;
      if (!key.Spells("include_usage")) {
        scan_.SkipValue();
        continue;
      }
      constexpr absl::string_view kName = "stream_options.include_usage";
      if (!envelope_.include_usage_value.empty()) {
        return RepeatedKey(kName);
      }
      scan_.Peek();
      envelope_.include_usage_value.begin = scan_.offset();
      RETURN_IF_ERROR(ReadBool(kName, &envelope_.include_usage));
      envelope_.include_usage_value.end = scan_.offset();
    }
    envelope_.stream_options.end = scan_.offset();
    return Check();
  }

  absl::Status ReadTokenLimit(absl::string_view name, ByteSpan* span) {
    const JsonType type = scan_.Peek();
    span->begin = scan_.offset();
    if (TakeNull()) {
      span->end = scan_.offset();
      return Check();
    }
    if (type != JsonType::kNumber) return WrongType(name, "a whole number");
    absl::string_view number;
    if (!scan_.ReadNumber(&number)) return BadJson();
    span->end = scan_.offset();
    int64_t value;
    if (!ParseInt64(number, &value) || value < 1 || value > kMaxOutputTokens) {
      return WrongValue(
          name, absl::StrCat("a whole number from 1 to ", kMaxOutputTokens));
    }
    envelope_.max_output_tokens =
        std::max(envelope_.max_output_tokens.value_or(0), value);
    return absl::OkStatus();
  }

  absl::Status ReadChoiceCount() {
    if (TakeNull()) return Check();
    if (scan_.Peek() != JsonType::kNumber) {
      return WrongType("n", "a whole number");
    }
    absl::string_view number;
    if (!scan_.ReadNumber(&number)) return BadJson();
    int64_t value;
    if (!ParseInt64(number, &value) || value < 1 || value > 128) {
      return WrongValue("n", "a whole number from 1 to 128");
    }
    envelope_.choice_count = static_cast<int32_t>(value);
    return absl::OkStatus();
  }

  absl::Status ReadTemperature() {
    if (TakeNull()) return Check();
    if (scan_.Peek() != JsonType::kNumber) {
      return WrongType("temperature", "a number");
    }
    absl::string_view number;
    if (!scan_.ReadNumber(&number)) return BadJson();
    double value;
    if (!ParseDouble(number, &value)) {
      return WrongValue("temperature", "a number in range");
    }
    envelope_.temperature = value;
    return absl::OkStatus();
  }

  absl::Status ReadServiceTier() {
    if (TakeNull()) return Check();
    if (scan_.Peek() != JsonType::kString) {
      return WrongType("service_tier", "a string");
    }
    JsonString tier;
    if (!scan_.ReadString(&tier)) return BadJson();
    std::string name = tier.Decode();
    if (name != "auto" && name != "default") {
      Use(Authority::kServiceTier, "service_tier", name);
    }
    return absl::OkStatus();
  }

  absl::Status ReadRefused(Authority authority, absl::string_view name) {
    if (TakeNull()) return Check();
    const JsonType type = scan_.Peek();
    absl::string_view raw;
    if (!scan_.SkipValue(&raw)) return BadJson();
    if (type != JsonType::kBool || raw == "true") Use(authority, name);
    return absl::OkStatus();
  }

  // `name`.path[0].path[1] names an object of the provider's account.
  absl::Status ReadNested(absl::string_view name,
                          std::array<absl::string_view, 2> path) {
    if (scan_.Peek() != JsonType::kObject) {
      return scan_.SkipValue() ? absl::OkStatus() : BadJson();
    }
    scan_.BeginObject();
    JsonString key;
    while (scan_.NextMember(&key)) {
      if (!key.Spells(path[0]) || scan_.Peek() != JsonType::kObject) {
        scan_.SkipValue();
        continue;
      }
      scan_.BeginObject();
      while (scan_.NextMember(&key)) {
        if (key.Spells(path[1]) && scan_.Peek() != JsonType::kNull) {
          Use(Authority::kProviderObject,
              absl::StrCat(name, ".", path[0], ".", path[1]));
        }
        scan_.SkipValue();
      }
    }
    return Check();
  }

  absl::Status ReadTools() {
    if (TakeNull()) return Check();
    if (scan_.Peek() != JsonType::kArray) return WrongType("tools", "an array");
    scan_.BeginArray();
    JsonString key;
    for (int32_t i = 0; scan_.NextElement(); ++i) {
      if (i == limits_.max_tools) {
        return WrongValue("tools", absl::StrCat("a list of at most ",
                                                limits_.max_tools, " tools"));
      }
      envelope_.has_tools = true;
      if (scan_.Peek() != JsonType::kObject) {
        return WrongType(absl::StrCat("tools[", i, "]"), "an object");
      }
      scan_.BeginObject();
      bool has_type = false;
      while (scan_.NextMember(&key)) {
        if (!key.Spells("type")) {
          scan_.SkipValue();
          continue;
        }
        JsonString type;
        if (scan_.Peek() != JsonType::kString) {
          return WrongType(absl::StrCat("tools[", i, "].type"), "a string");
        }
        if (!scan_.ReadString(&type)) return BadJson();
        has_type = true;
        if (!type.Spells("function") && !type.Spells("custom")) {
          Use(Authority::kServerTool, absl::StrCat("tools[", i, "].type"));
        }
      }
      if (!scan_.ok()) return BadJson();
      if (!has_type)
        return MissingParameter(absl::StrCat("tools[", i, "].type"));
    }
    return Check();
  }

  absl::Status ReadMessages() {
    if (scan_.Peek() != JsonType::kArray) {
      return WrongType("messages", "an array");
    }
    envelope_.messages.begin = scan_.offset();
    scan_.BeginArray();
    bool leading = true;
    bool last_is_assistant = false;
    int32_t count = 0;
    while (scan_.NextElement()) {
      if (count == limits_.max_messages) {
        return WrongValue(
            "messages", absl::StrCat("a list of at most ", limits_.max_messages,
                                     " messages"));
      }
      if (last_is_assistant) envelope_.assistant_anywhere_but_last = true;
      if (scan_.Peek() != JsonType::kObject) {
        return WrongType(absl::StrCat("messages[", count, "]"), "an object");
      }
      const size_t begin = scan_.offset();
      MessageRole role = MessageRole::kUnknown;
      RETURN_IF_ERROR(ReadMessage(count, &role));
      if (count == 0) envelope_.first_message = begin;
      last_is_assistant = role == MessageRole::kAssistant;
      if (role == MessageRole::kSystem) {
        envelope_.has_system_text = true;
        if (leading) ++envelope_.leading_system_count;
      } else if (leading) {
        leading = false;
        envelope_.first_after_system = begin;
      }
      ++count;
    }
    envelope_.messages.end = scan_.offset();
    if (leading) envelope_.first_after_system = envelope_.messages.end;
    envelope_.message_count = count;
    return Check();
  }

  absl::Status ReadMessage(int32_t index, MessageRole* role) {
    const auto name = [index](absl::string_view member) {
      return absl::StrCat("messages[", index, "]", member);
    };
    bool has_role = false;
    scan_.BeginObject();
    JsonString key;
    while (scan_.NextMember(&key)) {
      if (key.Spells("role")) {
        if (has_role) {
          return RepeatedKey(name(".role"));
        }
        has_role = true;
        JsonString value;
        if (scan_.Peek() != JsonType::kString) {
          return WrongType(name(".role"), "a string");
        }
        if (!scan_.ReadString(&value)) return BadJson();
        *role = value.escaped ? FindRole(value.Decode()) : FindRole(value.raw);
        if (*role == MessageRole::kUnknown) {
          return WrongValue(name(".role"),
                            "one of system, developer, user, assistant, tool");
        }
      } else if (key.Spells("content")) {
        RETURN_IF_ERROR(ReadContent(index));
      } else if (key.Spells("audio")) {
        // An earlier spoken answer, by its id.
        const JsonType type = scan_.Peek();
        if (!scan_.SkipValue()) return BadJson();
        if (type != JsonType::kNull) {
          Use(Authority::kProviderObject, name(".audio"));
        }
      } else {
        scan_.SkipValue();
      }
    }
    if (!scan_.ok()) return BadJson();
    if (!has_role) return MissingParameter(name(".role"));
    return absl::OkStatus();
  }

  absl::Status ReadContent(int32_t message) {
    switch (scan_.Peek()) {
      case JsonType::kString:
      case JsonType::kNull:
        return scan_.SkipValue() ? absl::OkStatus() : BadJson();
      case JsonType::kArray:
        break;
      default:
        return WrongType(absl::StrCat("messages[", message, "].content"),
                         "a string or an array of parts");
    }
    scan_.BeginArray();
    JsonString key;
    for (int32_t part = 0; scan_.NextElement(); ++part) {
      const auto name = [message, part](absl::string_view member) {
        return absl::StrCat("messages[", message, "].content[", part, "]",
                            member);
      };
      if (scan_.Peek() != JsonType::kObject) {
        return WrongType(name(""), "an object");
      }
      scan_.BeginObject();
      while (scan_.NextMember(&key)) {
        if (key.Spells("file_id")) {
          const JsonType type = scan_.Peek();
          if (type != JsonType::kNull) {
            Use(Authority::kProviderObject, name(".file_id"));
          }
          scan_.SkipValue();
        } else if (scan_.Peek() == JsonType::kObject) {
          const std::string outer = key.Decode();
          scan_.BeginObject();
          while (scan_.NextMember(&key)) {
            if (key.Spells("file_id") && scan_.Peek() != JsonType::kNull) {
              Use(Authority::kProviderObject,
                  name(absl::StrCat(".", outer, ".file_id")));
            }
            scan_.SkipValue();
          }
        } else {
          scan_.SkipValue();
        }
      }
    }
    return Check();
  }

  const absl::string_view body_;
  JsonScanner scan_;
  const EnvelopeLimits& limits_;
  Envelope envelope_;
  // One bit a row of kRows.
  uint32_t seen_ = 0;
};

}  // namespace

absl::StatusOr<Envelope> ReadEnvelope(absl::string_view body,
                                      const EnvelopeLimits& limits) {
  return Reader(body, limits).Read();
}

absl::Span<const EnvelopeField> EnvelopeFields() {
  static const auto fields = [] {
    std::array<EnvelopeField, std::size(kRows)> all;
    for (size_t i = 0; i < all.size(); ++i) {
      all[i] = {kRows[i].name, RefusedByDefault(kRows[i].rule)};
    }
    return all;
  }();
  return fields;
}

}  // namespace gateway::dialect::openai_chat
