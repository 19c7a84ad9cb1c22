#ifndef GATEWAY_COMMON_CONFIG_LOADER_H_
#define GATEWAY_COMMON_CONFIG_LOADER_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <google/protobuf/message.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

// A config file, the environment and the command line, into one checked
// protobuf message. The message is the schema: its fields' lowerCamelCase names
// are the keys, and nothing else is accepted.
namespace gateway::config {

// An environment variable that has a name of its own.
struct NamedVariable {
  std::string variable;  // GATEWAY_TTL
  std::string key;       // session.ttl
};

// A key of the schema that this program does not read, nor anything below it.
struct RefusedKey {
  std::string key;  // ingress.listen
  std::string why;  // a sentence for people, which names the way out
};

// Where values come from, later ones winning.
struct Sources {
  // A YAML file. Empty: none.
  std::string file;
  // All variables of the process.
  std::map<std::string, std::string> environment;
  std::vector<NamedVariable> named_variables;
  // `a.b=c`, from the command line.
  std::vector<std::string> settings;
  // Setting one of these is a fault, wherever it is set.
  std::vector<RefusedKey> refused;
};

// What a load found besides the message.
struct LoadResult {
  // INVALID_ARGUMENT with a line for each fault: all of them, each naming
  // where it is, the key and what would be accepted.
  absl::Status status;
  // A line each; not faults.
  std::vector<std::string> warnings;
};

// Fills `message`, which starts empty.
//
// Forms: durations are whole seconds or `500ms`, `90s`, `15m`, `24h`; sizes
// and other integers are digits with an optional KiB, MiB or GiB; booleans are
// true, false, 1, 0, yes, no, on, off; enums are their value's name without
// the prefix, lower case; maps and lists as in YAML. A key that stands twice
// and one that the message does not have are faults.
//
// Environment: the named variables, and GATEWAY__A__B_C for the key a.bC where
// that is a scalar outside maps and lists. An empty value counts as unset. Any
// other GATEWAY_* is a warning, but for those that Kubernetes makes for a
// service of that name.
LoadResult Load(const Sources& sources, google::protobuf::Message* message);

}  // namespace gateway::config

#endif  // GATEWAY_COMMON_CONFIG_LOADER_H_
