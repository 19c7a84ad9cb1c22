#include "common/config/print.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <map>
#include <vector>

#include "common/config/scalar.h"
#include "gateway/config/v1/options.pb.h"

namespace gateway::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// `session-store` for `sessionStore`.
std::string ServiceOf(absl::string_view section) {
  std::string name;
  for (char c : section) {
    if (absl::ascii_isupper(c)) name.push_back('-');
    name.push_back(absl::ascii_tolower(c));
  }
  return name;
}

// Text that YAML reads as that text and nothing else.
std::string Quoted(absl::string_view text) {
  const bool plain = !text.empty() &&
                     std::all_of(text.begin(), text.end(),
                                 [](char c) {
                                   return absl::ascii_isalnum(c) || c == '_' ||
                                          c == '.' || c == '/' || c == '-';
                                 }) &&
                     absl::ascii_isalpha(text.front());
  if (plain && text != "true" && text != "false" && text != "null") {
    return std::string(text);
  }
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    if (absl::ascii_iscntrl(c)) {
      absl::StrAppend(&quoted, "\\x", absl::Hex(c & 0xff, absl::kZeroPad2));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

class Printer {
 public:
  explicit Printer(const PrintOptions& options) : options_(options) {}

  std::string Print(const Message& config) {
    PrintMessage(config, "", "");
    return text_.empty() ? "{}\n" : std::move(text_);
  }

 private:
  void PrintMessage(const Message& message, const std::string& section,
                    const std::string& indent) {
    const auto* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor& field = *type->field(i);
      if (options_.hidden.contains(
              absl::StrCat(section, ".", field.json_name()))) {
        continue;
      }
      const std::string name = section.empty() ? field.json_name() : section;
      if (field.is_map()) {
        PrintMap(message, field, name, indent);
      } else if (field.is_repeated()) {
        PrintList(message, field, name, indent);
      } else if (IsScalar(field)) {
        PrintScalar(message, field, name, indent);
      } else {
        const Message& below =
            message.GetReflection()->GetMessage(message, &field);
        PrintBelow(below, absl::StrCat(indent, field.json_name(), ":\n"), name,
                   indent + "  ");
      }
    }
  }

  // A heading and what stands below it, unless that is nothing.
  void PrintBelow(const Message& message, const std::string& heading,
                  const std::string& section, const std::string& indent) {
    const size_t begin = text_.size();
    text_ += heading;
    const size_t below = text_.size();
    PrintMessage(message, section, indent);
    if (text_.size() == below) text_.resize(begin);
  }

  void PrintMap(const Message& message, const FieldDescriptor& field,
                const std::string& section, const std::string& indent) {
    const auto* reflection = message.GetReflection();
    std::map<std::string, const Message*> sorted;
    for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
      const Message& entry = reflection->GetRepeatedMessage(message, &field, i);
      sorted[entry.GetReflection()->GetString(
          entry, field.message_type()->map_key())] = &entry;
    }
    if (sorted.empty()) return;
    ++entries_;
    absl::StrAppend(&text_, indent, field.json_name(), ":\n");
    for (const auto& [name, entry] : sorted) {
      const std::string heading = absl::StrCat(indent, "  ", Quoted(name), ":");
      const size_t begin = text_.size();
      PrintBelow(entry->GetReflection()->GetMessage(
                     *entry, field.message_type()->map_value()),
                 heading + "\n", section, indent + "    ");
      // An entry that says nothing is there nevertheless.
      if (text_.size() == begin) absl::StrAppend(&text_, heading, " {}\n");
    }
    --entries_;
  }

  void PrintList(const Message& message, const FieldDescriptor& field,
                 const std::string& section, const std::string& indent) {
    const auto* reflection = message.GetReflection();
    const int count = reflection->FieldSize(message, &field);
    if (count == 0) return;
    ++entries_;
    absl::StrAppend(&text_, indent, field.json_name(), ":\n");
    for (int i = 0; i < count; ++i) {
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        absl::StrAppend(
            &text_, indent, "- ",
            Quoted(reflection->GetRepeatedString(message, &field, i)), "\n");
        continue;
      }
      const size_t begin = text_.size();
      PrintMessage(reflection->GetRepeatedMessage(message, &field, i), section,
                   indent + "  ");
      if (text_.size() == begin) {
        absl::StrAppend(&text_, indent, "- {}\n");
      } else {
        text_[begin + indent.size()] = '-';
      }
    }
    --entries_;
  }

  void PrintScalar(const Message& message, const FieldDescriptor& field,
                   const std::string& section, const std::string& indent) {
    std::string value;
    if (IsSet(message, field)) {
      const bool hide =
          options_.redact && field.options().GetExtension(v1::sensitive);
      value = hide ? "<redacted>" : TextOf(message, field);
    } else if (options_.defaults && entries_ == 0 &&
               field.real_containing_oneof() == nullptr) {
      value = DefaultOf(field, section);
    }
    if (value.empty()) return;
    const bool is_text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    absl::StrAppend(&text_, indent, field.json_name(), ": ",
                    is_text ? Quoted(value) : value, "\n");
  }

  static bool IsSet(const Message& message, const FieldDescriptor& field) {
    return message.GetReflection()->HasField(message, &field);
  }

  static std::string TextOf(const Message& message,
                            const FieldDescriptor& field) {
    const auto* reflection = message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection->GetBool(message, &field) ? "true" : "false";
      case FieldDescriptor::CPPTYPE_INT32:
        return absl::StrCat(reflection->GetInt32(message, &field));
      case FieldDescriptor::CPPTYPE_INT64:
        return absl::StrCat(reflection->GetInt64(message, &field));
      case FieldDescriptor::CPPTYPE_ENUM:
        return EnumText(*reflection->GetEnum(message, &field));
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection->GetString(message, &field);
      default:
        break;
    }
    const auto& duration = static_cast<const google::protobuf::Duration&>(
        reflection->GetMessage(message, &field));
    if (duration.nanos() == 0) return absl::StrCat(duration.seconds(), "s");
    return absl::StrCat(
        duration.seconds() * 1000 + duration.nanos() / 1'000'000, "ms");
  }

  const PrintOptions options_;
  std::string text_;
  // Above 0 inside a map or a list: what an entry's default is may depend on
  // what else it says.
  int entries_ = 0;
};

}  // namespace

std::string ToYaml(const Message& config, const PrintOptions& options) {
  return Printer(options).Print(config);
}

std::string DefaultOf(const FieldDescriptor& field, absl::string_view section) {
  return absl::StrReplaceAll(field.options().GetExtension(v1::default_value),
                             {{"<name>", ServiceOf(section)}});
}

}  // namespace gateway::config
