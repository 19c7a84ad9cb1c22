#ifndef GATEWAY_COMMON_PROCESS_COMMAND_LINE_H_
#define GATEWAY_COMMON_PROCESS_COMMAND_LINE_H_

#include <optional>
#include <string>
#include <vector>

namespace gateway::process {

// Exit codes of every binary.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 64;
inline constexpr int kExitConfig = 78;

struct CommandLine {
  enum class Command {
    kServe,        // the default
    kCheck,        // loads and checks the config; no network
    kHealthcheck,  // asks the ops port of a running process whether it is ready
  };
  Command command = Command::kServe;
  std::string config_file;
  // `a.b=c`, in order.
  std::vector<std::string> settings;
  std::string log_level = "info";
  std::string log_format = "json";
};

// Parses argv. If there is nothing left to do, for --help, --version and
// mistakes, it has printed what there is to say and returns the exit code in
// `exit_code`.
std::optional<CommandLine> ParseCommandLine(const std::string& program,
                                            int argc, const char* const* argv,
                                            int* exit_code);

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_COMMAND_LINE_H_
