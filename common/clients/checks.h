#ifndef GATEWAY_COMMON_CLIENTS_CHECKS_H_
#define GATEWAY_COMMON_CLIENTS_CHECKS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <utility>

#include "common/concurrency/awaitable.h"
#include "common/rpc/call.h"
#include "common/rpc/deadline.h"
#include "gateway/common/v1/context.pb.h"

// What every service asks of a call before it looks at the request. The
// Checked… classes do this over each interface; a service hands out itself
// behind them and nothing else, to gRPC and to direct callers.
namespace gateway {

// DEADLINE_EXCEEDED if the call's time is up.
absl::Status CheckDeadline(const rpc::Call& call);

// Also INVALID_ARGUMENT `missing_required_parameter` without a request id.
absl::Status CheckContext(const rpc::Call& call,
                          const common::v1::CallContext& context);

// Also INVALID_ARGUMENT `missing_required_parameter` without a tenant.
absl::Status CheckAccount(const rpc::Call& call,
                          const common::v1::CallContext& context);

// The way in.
enum class Entry {
  // gRPC ends the call at its deadline.
  kGrpc,
  // From the same process: the decorator ends it.
  kDirect,
};

class EntryRule {
 public:
  EntryRule(Entry entry) : entry_(entry) {}  // NOLINT: an Entry is one

  template <class T>
  Awaitable<T> Enter(const rpc::Call& call, Awaitable<T> flow) const {
    if (entry_ == Entry::kGrpc) return flow;
    return rpc::WithDeadline(call.deadline, std::move(flow));
  }

 private:
  const Entry entry_;
};

// A flow that only returns `status`.
template <class T>
Awaitable<T> Refuse(absl::Status status) {
  co_return status;
}

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_CHECKS_H_
