#include "common/process/service_options.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <limits>

#include "common/time/duration.h"

namespace gateway::process {
namespace {

// `session.maxContextBytes`.
constexpr int64_t kDefaultMaxContextBytes = 4 << 20;

// What a service waits for by default when it ends; see docs/architecture.md.
ShutdownOptions DefaultShutdown(absl::string_view service) {
  if (service == "batch-aggregator") {
    return {absl::Seconds(10), absl::Seconds(60)};
  }
  if (service == "session-store") return {absl::Seconds(5), absl::Seconds(30)};
  if (service == "metrics-collector") {
    return {absl::ZeroDuration(), absl::Seconds(15)};
  }
  return {absl::Seconds(10), absl::Seconds(300)};
}

// Clients call these, over HTTP too.
bool IsPublic(absl::string_view service) {
  return service == "ingress" || service == "agent-gateway";
}

Section Read(const config::v1::Service& from) {
  return {.grpc = from.listen().grpc(),
          .ops = from.listen().ops(),
          .admin = from.listen().admin(),
          .target = from.target(),
          .data_dir = from.data_dir(),
          .shutdown = from.shutdown()};
}

// ingress and agent-gateway.
template <class Message>
Section ReadPublic(const Message& from) {
  return {.grpc = from.listen().grpc(),
          .ops = from.listen().ops(),
          .admin = from.listen().admin(),
          .http = from.listen().http(),
          .shutdown = from.shutdown()};
}

void Override(const config::v1::Shutdown& from, ShutdownOptions& to) {
  if (from.has_pre_drain_delay()) {
    to.pre_drain_delay = ToDuration(from.pre_drain_delay());
  }
  if (from.has_drain_timeout()) {
    to.drain_timeout = ToDuration(from.drain_timeout());
  }
}

Address ReadAddress(const std::string& text, absl::string_view fallback,
                    const std::string& key, Faults& faults) {
  absl::StatusOr<Address> address =
      ParseAddress(text.empty() ? fallback : absl::string_view(text));
  if (address.ok()) return *address;
  faults.Add(key, address.status().message());
  return {};
}

void ReadLimits(const config::v1::Config& config, ServiceOptions& options,
                Faults& faults) {
  const config::v1::Limits& limits = config.limits();
  if (limits.has_max_body_bytes()) {
    options.max_body_bytes = limits.max_body_bytes();
    if (options.max_body_bytes < 1 || options.max_body_bytes > (1 << 30)) {
      faults.Add("limits.maxBodyBytes", "1 to 1GiB");
      return;
    }
  }
  ReadCount(limits.has_max_body_bytes_in_flight(),
            limits.max_body_bytes_in_flight(), "limits.maxBodyBytesInFlight",
            options.max_body_bytes_in_flight, faults);
  ReadDuration(limits.has_write_timeout(), limits.write_timeout(),
               "limits.writeTimeout", options.write_timeout, faults,
               absl::Milliseconds(1));
  const int64_t context = config.session().has_max_context_bytes()
                              ? config.session().max_context_bytes()
                              : kDefaultMaxContextBytes;
  options.max_message_bytes = static_cast<int>(std::min<int64_t>(
      options.max_body_bytes + std::max<int64_t>(context, 0) + (1 << 20),
      std::numeric_limits<int>::max()));
}

}  // namespace

const std::vector<std::string>& ServiceNames() {
  static const auto& names = *new std::vector<std::string>{
      "ingress", "model-router", "batch-aggregator", "session-store",
      "metrics-collector"};
  return names;
}

Section SectionOf(const config::v1::Config& config, absl::string_view service) {
  if (service == "ingress") return ReadPublic(config.ingress());
  if (service == "model-router") return Read(config.model_router());
  if (service == "batch-aggregator") return Read(config.batch_aggregator());
  if (service == "session-store") return Read(config.session_store());
  if (service == "metrics-collector") return Read(config.metrics_collector());
  Section section = ReadPublic(config.agent_gateway());
  section.data_dir = config.agent_gateway().data_dir();
  return section;
}

std::string SectionKey(absl::string_view service) {
  std::string key;
  bool upper = false;
  for (char c : service) {
    if (c == '-') {
      upper = true;
      continue;
    }
    key.push_back(upper ? absl::ascii_toupper(c) : c);
    upper = false;
  }
  return key;
}

absl::StatusOr<ServiceOptions> ReadServiceOptions(
    const config::v1::Config& config, absl::string_view service) {
  Faults faults;
  const Section section = SectionOf(config, service);
  const std::string key = SectionKey(service);
  ServiceOptions options;
  options.grpc =
      ReadAddress(section.grpc, "0.0.0.0:50051", key + ".listen.grpc", faults);
  if (IsPublic(service)) {
    options.http =
        ReadAddress(section.http, "0.0.0.0:8080", key + ".listen.http", faults);
  }
  options.ops =
      ReadAddress(section.ops, "0.0.0.0:8081", key + ".listen.ops", faults);
  options.admin = ReadAddress(section.admin, "127.0.0.1:9901",
                              key + ".listen.admin", faults);
  if (!options.admin.host.empty() && !options.admin.IsLoopback()) {
    faults.Add(key + ".listen.admin",
               "has no password and may change things: bind it to 127.0.0.1 "
               "and reach it by port-forward");
  }
  options.data_dir = section.data_dir.empty()
                         ? absl::StrCat("/var/lib/agent-gateway/", service)
                         : section.data_dir;
  options.shutdown = DefaultShutdown(service);
  Override(config.shutdown(), options.shutdown);
  Override(section.shutdown, options.shutdown);
  if (options.shutdown.pre_drain_delay < absl::ZeroDuration() ||
      options.shutdown.drain_timeout < absl::ZeroDuration()) {
    faults.Add(key + ".shutdown", "durations are 0 or more");
  }
  ReadLimits(config, options, faults);
  if (config.storage().has_memory_bytes()) {
    options.store_memory_bytes = config.storage().memory_bytes();
    if (options.store_memory_bytes < (1 << 20)) {
      faults.Add("storage.memoryBytes", "1MiB or more");
    }
  }
  if (config.threads() < 0 || config.threads() > 256) {
    faults.Add("threads", "0 to 256");
  }
  absl::Status status = faults.ToStatus();
  if (!status.ok()) return status;
  return options;
}

std::string TargetOf(const config::v1::Config& config,
                     absl::string_view service) {
  const std::string target = SectionOf(config, service).target;
  return target.empty() ? absl::StrCat("dns:///", service, ":50051") : target;
}

void Faults::Add(absl::string_view key, absl::string_view what) {
  lines_.push_back(absl::StrCat(key, ": ", what));
}

void Faults::Add(const absl::Status& status) {
  if (status.ok()) return;
  for (absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    lines_.emplace_back(line);
  }
}

bool IsCount(absl::string_view key, int64_t value, int64_t most,
             Faults& faults) {
  if (value >= 1 && value <= most) return true;
  faults.Add(key, most == std::numeric_limits<int64_t>::max()
                      ? "1 or more"
                      : absl::StrCat("1 to ", most));
  return false;
}

void ReadDuration(bool is_set, const google::protobuf::Duration& value,
                  absl::string_view key, absl::Duration& duration,
                  Faults& faults, absl::Duration least) {
  if (!is_set) return;
  const absl::Duration read = ToDuration(value);
  if (read < least) {
    faults.Add(key, absl::StrCat(absl::FormatDuration(least), " or more"));
  } else {
    duration = read;
  }
}

absl::Status Faults::ToStatus() const {
  if (lines_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
}

}  // namespace gateway::process
