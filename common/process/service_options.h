#ifndef GATEWAY_COMMON_PROCESS_SERVICE_OPTIONS_H_
#define GATEWAY_COMMON_PROCESS_SERVICE_OPTIONS_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/process/address.h"
#include "common/process/service.h"
#include "gateway/config/v1/config.pb.h"

namespace gateway::process {

// What every service reads from its own section of the config.
struct ServiceOptions {
  Address grpc;
  Address ops;
  // On loopback.
  Address admin;
  // ingress and agent-gateway only.
  Address http;
  std::string data_dir;
  // For storage::MemoryBudget; 0: not set.
  int64_t store_memory_bytes = 0;
  ShutdownOptions shutdown;
  // Of one request, as its client sends it.
  int64_t max_body_bytes = 32 << 20;
  // Of all requests that a process holds at once.
  int64_t max_body_bytes_in_flight = 512 << 20;
  // The largest message between services: a body, the context of its session
  // and 1 MiB around them.
  int max_message_bytes = 37 << 20;
  // A client that takes nothing for so long is gone.
  absl::Duration write_timeout = absl::Seconds(120);
};

// The names of the five services, in the order of their ports.
const std::vector<std::string>& ServiceNames();

// What the section of a service says, by its name (`session-store`,
// `agent-gateway`). Empty: the default.
struct Section {
  std::string grpc;
  std::string ops;
  std::string admin;
  std::string http;
  std::string target;
  std::string data_dir;
  config::v1::Shutdown shutdown;
};
Section SectionOf(const config::v1::Config& config, absl::string_view service);

// `sessionStore` for `session-store`.
std::string SectionKey(absl::string_view service);

// INVALID_ARGUMENT with a line for each fault, each naming its key.
absl::StatusOr<ServiceOptions> ReadServiceOptions(
    const config::v1::Config& config, absl::string_view service);

// Where others find it: its `target`, or `dns:///<name>:50051`.
std::string TargetOf(const config::v1::Config& config,
                     absl::string_view service);

// Gathers the faults of a config, so that all are told at once.
class Faults {
 public:
  void Add(absl::string_view key, absl::string_view what);
  // Adds each line of a failed part's message. OK adds nothing.
  void Add(const absl::Status& status);

  // INVALID_ARGUMENT with all lines; OK without any.
  absl::Status ToStatus() const;

 private:
  std::vector<std::string> lines_;
};

// A fault unless `value` is within 1 and `most`.
bool IsCount(absl::string_view key, int64_t value, int64_t most,
             Faults& faults);

// Takes a number that is set, or notes that it is not within 1 and `most`.
template <class Number>
void ReadCount(bool is_set, int64_t value, absl::string_view key,
               Number& number, Faults& faults,
               int64_t most = std::numeric_limits<int64_t>::max()) {
  if (is_set && IsCount(key, value, most, faults)) {
    number = static_cast<Number>(value);
  }
}

// Takes a duration that is set, or notes that it is shorter than `least`.
void ReadDuration(bool is_set, const google::protobuf::Duration& value,
                  absl::string_view key, absl::Duration& duration,
                  Faults& faults, absl::Duration least = absl::Seconds(1));

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_SERVICE_OPTIONS_H_
