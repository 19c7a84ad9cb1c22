#ifndef GATEWAY_COMMON_CONFIG_CHANGE_H_
#define GATEWAY_COMMON_CONFIG_CHANGE_H_

#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace gateway::config {

// A key whose value differs between two configs; of a map one of its names, of
// a list the whole.
struct Change {
  std::string key;  // models.gpt-4, limits.maxBodyBytes
  // The schema says that it is read at the start alone.
  bool needs_restart = false;
};

// Both of one type. In the order of the schema.
std::vector<Change> ChangesBetween(const google::protobuf::Message& before,
                                   const google::protobuf::Message& after);

// Gives `config` the values of `running` wherever a restart would be needed for
// its own.
void KeepRestartOnly(const google::protobuf::Message& running,
                     google::protobuf::Message* config);

}  // namespace gateway::config

#endif  // GATEWAY_COMMON_CONFIG_CHANGE_H_
