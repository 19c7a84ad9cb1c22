#ifndef GATEWAY_SERVICES_INGRESS_METRICS_H_
#define GATEWAY_SERVICES_INGRESS_METRICS_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <vector>

#include "services/ingress/arrival.h"

namespace prometheus {
struct MetricFamily;
}

namespace gateway::ingress {

// Whose fault the end of a request is.
enum class EndClass { kOk, kCaller, kPolicy, kProvider, kGateway, kCancelled };
inline constexpr int kEndClasses = 6;
absl::string_view EndClassName(EndClass end);
// kOk for OK, kCancelled for CANCELLED, else by its fault.
EndClass EndClassOf(const absl::Status& status);

enum class StreamEnd { kCompleted, kFailed, kCancelled, kDrained };
inline constexpr int kStreamEnds = 4;

// Every metric of ingress. Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Any request, once.
  void RequestEnded(Protocol protocol, Method method, EndClass end);
  // Refused by a bound on requests in flight.
  void RateLimited();

  void StreamBegan();
  void StreamEnded(Protocol protocol, StreamEnd end);

  // What the gateway added to the time to an answer's first byte.
  void Overhead(absl::Duration overhead);

  // An answer as its client saw it. The names come from the config; empty
  // ones are `other`.
  struct Answer {
    absl::string_view provider = {};
    absl::string_view request_model = {};
    absl::string_view response_model = {};
    // Empty: it succeeded.
    absl::string_view error_type = {};
    absl::Duration duration = {};
    // Streams only; zero: no token came.
    absl::Duration time_to_first_token = {};
    int64_t output_tokens = 0;
  };
  void Answered(const Answer& answer);

  // What is counted elsewhere.
  struct Readings {
    // Now.
    int64_t requests_in_flight = 0;
    int64_t body_bytes = 0;
    int64_t http_connections = 0;
    // Since the start.
    uint64_t http_connections_refused = 0;
    uint64_t http_refused = 0;
    uint64_t grpc_refused = 0;
    uint64_t http_body_timeouts = 0;
    uint64_t http_write_timeouts = 0;
    uint64_t grpc_write_timeouts = 0;
    uint64_t telemetry_dropped = 0;
  };
  // Read at each scrape.
  void SetReadings(std::function<Readings()> readings);

  std::vector<prometheus::MetricFamily> Collect() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_METRICS_H_
