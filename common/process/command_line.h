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

// What `ingress smoke` tries, and where.
struct SmokeOptions {
  // `host:port`. Empty: where this config listens.
  std::string http_target;
  std::string grpc_target;
  std::string model = "mock";
  // Where the API key stands, if one is needed.
  std::string key_file;
  std::string key_env;
  // For each step.
  int timeout_seconds = 30;
};

struct CommandLine {
  enum class Command {
    kServe,        // the default
    kCheck,        // loads and checks the config; no network
    kHealthcheck,  // asks the ops port of a running process whether it is ready
    kConfig,       // prints the config, its defaults or its schema
    kDrain,        // has a running process drain, and waits for its end
    kSmoke,        // ingress: tries a running mesh
  };
  enum class Show { kEffective, kDefault, kSchema };
  Command command = Command::kServe;
  std::string config_file;
  // `a.b=c`, in order.
  std::vector<std::string> settings;
  // Of kConfig.
  Show show = Show::kEffective;
  // Of kDrain: how long to wait; 0: as long as the drain may take.
  int timeout_seconds = 0;
  SmokeOptions smoke;
};

// Parses argv. `with_smoke`: this program has that command. If there is nothing
// left to do, for --help, --version and mistakes, it has printed what there is
// to say and returns the exit code in `exit_code`.
std::optional<CommandLine> ParseCommandLine(const std::string& program,
                                            bool with_smoke, int argc,
                                            const char* const* argv,
                                            int* exit_code);

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_COMMAND_LINE_H_
