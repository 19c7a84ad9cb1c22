#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_ITEM_SENDER_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_ITEM_SENDER_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <string>

#include "common/clients/model_router.h"
#include "common/clients/session_store.h"
#include "gateway/batch_aggregator/stored/v1/stored.pb.h"

namespace gateway::batch_aggregator {

// Sends one item once. Thread-safe.
class ItemSender {
 public:
  // Both outlive it.
  ItemSender(ModelRouter* router, SessionStore* sessions)
      : router_(router), sessions_(sessions) {}

  // What became of a sending.
  struct Sent {
    // OK: the result holds the answer.
    absl::Status error;
    // With the usage and cost of this sending, also of a failed one.
    v1::ItemResult result;
  };

  // On the account of the item's batch, under a request id of its own. Ends at
  // once if the flow is cancelled.
  Awaitable<Sent> Send(const common::v1::Account& account,
                       const std::string& model,
                       const std::string& planned_target,
                       const stored::v1::Item& item, absl::Time deadline);

 private:
  // Puts the session's conversation into the request.
  Awaitable<absl::Status> AddSession(rpc::Call& call,
                                     const stored::v1::Item& item,
                                     model_router::v1::RouteRequest& request);

  ModelRouter* const router_;
  SessionStore* const sessions_;
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_ITEM_SENDER_H_
