#include "common/clients/checks.h"

#include <absl/time/clock.h>

#include "common/status/error.h"

namespace gateway {

absl::Status CheckDeadline(const rpc::Call& call) {
  if (call.Expired(absl::Now())) return DeadlineExceeded();
  return absl::OkStatus();
}

absl::Status CheckContext(const rpc::Call& call,
                          const common::v1::CallContext& context) {
  if (context.request_id().empty()) {
    return MissingParameter("context.request_id");
  }
  return CheckDeadline(call);
}

absl::Status CheckAccount(const rpc::Call& call,
                          const common::v1::CallContext& context) {
  if (context.account().tenant().empty()) {
    return MissingParameter("context.account.tenant");
  }
  return CheckContext(call, context);
}

}  // namespace gateway
