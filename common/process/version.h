#ifndef GATEWAY_COMMON_PROCESS_VERSION_H_
#define GATEWAY_COMMON_PROCESS_VERSION_H_

#include <string>

namespace gateway::process {

// What was built, from the build system.
struct BuildInfo {
  std::string version;     // 0.1.0
  std::string revision;    // of the source; `unknown` outside a checkout
  std::string build_type;  // RelWithDebInfo
  std::string libraries;   // gRPC 1.51.1, …
};

const BuildInfo& GetBuildInfo();

// For --version: a line for the program, then one for each fact.
std::string VersionText(const std::string& program);

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_VERSION_H_
