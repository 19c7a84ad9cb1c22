#include <absl/strings/str_cat.h>
#include <google/protobuf/descriptor.h>

#include <boost/json.hpp>

#include "common/config/print.h"
#include "common/config/scalar.h"
#include "gateway/config/v1/options.pb.h"

namespace gateway::config {
namespace {

namespace json = boost::json;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

json::object OfMessage(const Descriptor& type, const std::string& section);

// One value: what the loader takes for it.
json::object OfScalar(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"anyOf",
               {json::object{{"type", "boolean"}},
                json::object{{"enum", {"yes", "no", "on", "off", 0, 1}}}}}};
    case FieldDescriptor::CPPTYPE_ENUM: {
      json::array values;
      for (int i = 1; i < field.enum_type()->value_count(); ++i) {
        values.emplace_back(EnumText(*field.enum_type()->value(i)));
      }
      return {{"enum", std::move(values)}};
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return {{"type", "string"}};
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return {{"type", {"integer", "string"}},
              {"pattern", "^[0-9]+(ms|s|m|h)?$"},
              {"minimum", 0}};
    default:
      return {{"type", {"integer", "string"}},
              {"pattern", "^-?[0-9]+(KiB|MiB|GiB)?$"}};
  }
}

json::object OfOne(const FieldDescriptor& field, const std::string& section) {
  return IsScalar(field) ? OfScalar(field)
                         : OfMessage(*field.message_type(), section);
}

json::object OfField(const FieldDescriptor& field, const std::string& section) {
  json::object schema;
  if (field.is_map()) {
    schema = {{"type", {"object", "null"}},
              {"additionalProperties",
               OfOne(*field.message_type()->map_value(), section)}};
  } else if (field.is_repeated()) {
    schema = {{"type", {"array", "null"}}, {"items", OfOne(field, section)}};
  } else {
    schema = OfOne(field, section);
  }
  const std::string fallback = DefaultOf(field, section);
  if (!fallback.empty()) schema["default"] = fallback;
  if (field.options().GetExtension(v1::restart)) schema["x-restart"] = true;
  return schema;
}

json::object OfMessage(const Descriptor& type, const std::string& section) {
  json::object properties;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    properties[field.json_name()] =
        OfField(field, section.empty() ? field.json_name() : section);
  }
  return {{"type", {"object", "null"}},
          {"properties", std::move(properties)},
          {"additionalProperties", false}};
}

}  // namespace

std::string ToJsonSchema(const Descriptor& type) {
  json::object schema = OfMessage(type, "");
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "agent-gateway config";
  return json::serialize(schema) + "\n";
}

}  // namespace gateway::config
