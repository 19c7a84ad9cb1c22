#include "common/config/scalar.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <google/protobuf/duration.pb.h>

#include <limits>

#include "common/status/macros.h"

namespace gateway::config {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

absl::Status Unreadable(absl::string_view text, absl::string_view accepted) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is not ", accepted));
}

std::string EnumForms(const EnumDescriptor& type) {
  std::string forms;
  for (int i = 1; i < type.value_count(); ++i) {
    absl::StrAppend(&forms, i == 1 ? "" : ", ", EnumText(*type.value(i)));
  }
  return absl::StrCat("one of ", forms);
}

absl::StatusOr<const EnumValueDescriptor*> ParseEnum(const EnumDescriptor& type,
                                                     absl::string_view text) {
  for (int i = 1; i < type.value_count(); ++i) {
    if (EnumText(*type.value(i)) == text) return type.value(i);
  }
  return Unreadable(text, EnumForms(type));
}

absl::Status SetDuration(const FieldDescriptor& field, absl::string_view text,
                         Message* message) {
  ASSIGN_OR_RETURN(const absl::Duration value, ParseDuration(text));
  google::protobuf::Duration duration;
  duration.set_seconds(absl::ToInt64Seconds(value));
  duration.set_nanos(
      absl::ToInt64Nanoseconds(value - absl::Seconds(duration.seconds())));
  const auto* reflection = message->GetReflection();
  Message* target = field.is_repeated()
                        ? reflection->AddMessage(message, &field)
                        : reflection->MutableMessage(message, &field);
  target->CopyFrom(duration);
  return absl::OkStatus();
}

}  // namespace

std::string EnumText(const EnumValueDescriptor& value) {
  // The value of 0 is PREFIX_UNSPECIFIED.
  absl::string_view prefix = value.type()->value(0)->name();
  absl::ConsumeSuffix(&prefix, "UNSPECIFIED");
  absl::string_view name = value.name();
  absl::ConsumePrefix(&name, prefix);
  return absl::AsciiStrToLower(name);
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::string_view number = text;
  absl::Duration unit = absl::Seconds(1);
  if (absl::ConsumeSuffix(&number, "ms")) {
    unit = absl::Milliseconds(1);
  } else if (absl::ConsumeSuffix(&number, "s")) {
    unit = absl::Seconds(1);
  } else if (absl::ConsumeSuffix(&number, "m")) {
    unit = absl::Minutes(1);
  } else if (absl::ConsumeSuffix(&number, "h")) {
    unit = absl::Hours(1);
  }
  uint32_t count;
  if (number.empty() || !absl::ascii_isdigit(number.front()) ||
      !absl::ascii_isdigit(number.back()) ||
      !absl::SimpleAtoi(number, &count)) {
    return Unreadable(text, "a duration such as 90, 500ms, 90s, 15m or 24h");
  }
  return count * unit;
}

absl::StatusOr<int64_t> ParseInteger(absl::string_view text) {
  absl::string_view number = text;
  int64_t unit = 1;
  if (absl::ConsumeSuffix(&number, "KiB")) {
    unit = int64_t{1} << 10;
  } else if (absl::ConsumeSuffix(&number, "MiB")) {
    unit = int64_t{1} << 20;
  } else if (absl::ConsumeSuffix(&number, "GiB")) {
    unit = int64_t{1} << 30;
  }
  int64_t count;
  if (!absl::SimpleAtoi(number, &count) ||
      count > std::numeric_limits<int64_t>::max() / unit ||
      count < std::numeric_limits<int64_t>::min() / unit) {
    return Unreadable(text, "a whole number, or a size such as 32MiB");
  }
  return count * unit;
}

absl::StatusOr<bool> ParseBool(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  for (absl::string_view yes : {"true", "1", "yes", "on"}) {
    if (lower == yes) return true;
  }
  for (absl::string_view no : {"false", "0", "no", "off"}) {
    if (lower == no) return false;
  }
  return Unreadable(text, "true or false");
}

bool IsScalar(const FieldDescriptor& field) {
  return field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
         IsDuration(field);
}

std::string AcceptedForm(const FieldDescriptor& field) {
  if (IsDuration(field)) return "a duration such as 90, 500ms, 90s, 15m or 24h";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumForms(*field.enum_type());
    case FieldDescriptor::CPPTYPE_STRING:
      return "text";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "a number";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "keys and values";
    default:
      return "a whole number, or a size such as 32MiB";
  }
}

absl::Status SetScalar(const FieldDescriptor& field, absl::string_view text,
                       Message* message) {
  const auto* reflection = message->GetReflection();
  // Repeated or not, the two calls differ by name alone.
  const auto set = [&](auto setter, auto adder, auto value) {
    if (field.is_repeated()) {
      (reflection->*adder)(message, &field, value);
    } else {
      (reflection->*setter)(message, &field, value);
    }
    return absl::OkStatus();
  };
  using Reflection = google::protobuf::Reflection;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SetDuration(field, text, message);
    case FieldDescriptor::CPPTYPE_BOOL: {
      ASSIGN_OR_RETURN(const bool value, ParseBool(text));
      return set(&Reflection::SetBool, &Reflection::AddBool, value);
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      ASSIGN_OR_RETURN(const int64_t value, ParseInteger(text));
      if (value > std::numeric_limits<int32_t>::max() ||
          value < std::numeric_limits<int32_t>::min()) {
        return Unreadable(text, "a number of 32 bits");
      }
      return set(&Reflection::SetInt32, &Reflection::AddInt32,
                 static_cast<int32_t>(value));
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      ASSIGN_OR_RETURN(const int64_t value, ParseInteger(text));
      return set(&Reflection::SetInt64, &Reflection::AddInt64, value);
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double value;
      if (!absl::SimpleAtod(text, &value)) return Unreadable(text, "a number");
      return set(&Reflection::SetDouble, &Reflection::AddDouble, value);
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      ASSIGN_OR_RETURN(const EnumValueDescriptor* value,
                       ParseEnum(*field.enum_type(), text));
      return set(&Reflection::SetEnum, &Reflection::AddEnum, value);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return set(&Reflection::SetString, &Reflection::AddString,
                 std::string(text));
    default:
      return absl::InternalError(
          absl::StrCat(field.full_name(), ": no such values in a config"));
  }
}

}  // namespace gateway::config
