#ifndef GATEWAY_COMMON_CONFIG_PRINT_H_
#define GATEWAY_COMMON_CONFIG_PRINT_H_

#include <absl/strings/string_view.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <set>
#include <string>

namespace gateway::config {

struct PrintOptions {
  // Keys outside maps and lists that are not set appear with the schema's
  // default.
  bool defaults = false;
  // What the schema calls sensitive appears as `<redacted>`.
  bool redact = false;
  // Keys of a section (`ingress.listen`) that are left out, with all below.
  std::set<std::string> hidden = {};
};

// A config as YAML: the forms that a file has, sorted as the schema is, so that
// a load of it gives the same config (unless it is redacted). Without anything
// to print `{}`.
std::string ToYaml(const google::protobuf::Message& config,
                   const PrintOptions& options);

// The default that the schema names for a field in the section of a service
// (`sessionStore`); empty if there is none.
std::string DefaultOf(const google::protobuf::FieldDescriptor& field,
                      absl::string_view section);

// The schema as JSON Schema (2020-12), for editors and checks outside: types,
// accepted forms, defaults, and `x-restart` on what is read at the start alone.
// Nothing beside the keys of the schema is allowed.
std::string ToJsonSchema(const google::protobuf::Descriptor& type);

}  // namespace gateway::config

#endif  // GATEWAY_COMMON_CONFIG_PRINT_H_
