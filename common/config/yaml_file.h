#ifndef GATEWAY_COMMON_CONFIG_YAML_FILE_H_
#define GATEWAY_COMMON_CONFIG_YAML_FILE_H_

#include <google/protobuf/message.h>

#include <functional>
#include <string>
#include <vector>

namespace gateway::config {

// Why a key may not be set; empty if it may.
using Refusal = std::function<std::string(const std::string& key)>;

// Merges a YAML file into `message`. Returns a line for each fault, with the
// file's path, the line and the key; empty if all is well.
std::vector<std::string> MergeYamlFile(const std::string& path,
                                       const Refusal& refusal,
                                       google::protobuf::Message* message);

}  // namespace gateway::config

#endif  // GATEWAY_COMMON_CONFIG_YAML_FILE_H_
