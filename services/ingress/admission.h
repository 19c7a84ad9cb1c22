#ifndef GATEWAY_SERVICES_INGRESS_ADMISSION_H_
#define GATEWAY_SERVICES_INGRESS_ADMISSION_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <atomic>
#include <cstdint>

#include "services/ingress/api_keys.h"

namespace gateway::ingress {

struct AdmissionOptions {
  // Of all keys together.
  int64_t max_requests_in_flight = 4096;
};

// Who gets in. Thread-safe; outlives its permits.
class Admission {
 public:
  // Room for one request, given back by the destructor. Movable.
  struct Permit {
    ConcurrencyLimit::Permit everybody;
    ConcurrencyLimit::Permit key;
  };

  explicit Admission(AdmissionOptions options)
      : limit_(options.max_requests_in_flight) {}

  // UNAVAILABLE `draining` after BeginDrain; UNAVAILABLE `overloaded` at the
  // bound on all requests; RESOURCE_EXHAUSTED `rate_limit_exceeded` at the
  // key's. Each with a retry hint, at once.
  absl::StatusOr<Permit> Admit(ApiKey& key);

  // For those that come from here on.
  void SetOptions(const AdmissionOptions& options) {
    limit_.SetMax(options.max_requests_in_flight);
  }

  // PERMISSION_DENIED `model_not_allowed`.
  static absl::Status CheckModel(const ApiKey& key, absl::string_view model);

  // Nobody gets in from here on.
  void BeginDrain() { draining_.store(true, std::memory_order_relaxed); }
  bool draining() const { return draining_.load(std::memory_order_relaxed); }

  int64_t in_flight() const { return limit_.in_use(); }

 private:
  ConcurrencyLimit limit_;
  std::atomic<bool> draining_ = false;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_ADMISSION_H_
