#ifndef GATEWAY_SERVICES_INGRESS_BATCH_SOURCE_H_
#define GATEWAY_SERVICES_INGRESS_BATCH_SOURCE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <optional>

#include "common/concurrency/awaitable.h"
#include "common/rpc/call.h"
#include "gateway/agent/v1/agent.pb.h"
#include "gateway/batch_aggregator/v1/batch_aggregator.pb.h"
#include "services/ingress/api_keys.h"

namespace gateway::ingress {

// A client's batch on its way to batch-aggregator: its items, behind a header
// that says on whose account they run. Used by one flow.
class BatchSource final
    : public rpc::Source<batch_aggregator::v1::SubmitBatchRequest> {
 public:
  // A client that sends nothing for `idle_timeout` fails the read:
  // INVALID_ARGUMENT `request_timeout`. `source` outlives this.
  BatchSource(rpc::Source<agent::v1::SubmitBatchRequest>& source,
              absl::Duration idle_timeout)
      : source_(source), idle_timeout_(idle_timeout) {}

  // Reads the client's header, before all else. `context` gets the user whom it
  // names. INVALID_ARGUMENT: there is no header, or it is wrong.
  Awaitable<absl::Status> Open(const ApiKey& caller,
                               common::v1::CallContext& context);

  Awaitable<
      absl::StatusOr<std::optional<batch_aggregator::v1::SubmitBatchRequest>>>
  Read() override;

 private:
  Awaitable<absl::StatusOr<std::optional<agent::v1::SubmitBatchRequest>>>
  ReadInTime();

  rpc::Source<agent::v1::SubmitBatchRequest>& source_;
  const absl::Duration idle_timeout_;
  // Until it is read.
  std::optional<batch_aggregator::v1::SubmitBatchRequest> header_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_BATCH_SOURCE_H_
