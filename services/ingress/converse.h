#ifndef GATEWAY_SERVICES_INGRESS_CONVERSE_H_
#define GATEWAY_SERVICES_INGRESS_CONVERSE_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <boost/asio/cancellation_signal.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/concurrency/awaitable.h"
#include "common/concurrency/event.h"
#include "common/concurrency/mutex.h"
#include "common/concurrency/task_group.h"
#include "common/rpc/call.h"
#include "gateway/agent/v1/agent.pb.h"
#include "services/ingress/exchange.h"
#include "services/ingress/typed_chat.h"

namespace gateway::ingress {

class Conversation;

// The Converse calls of a process, so that a drain reaches them. Thread-safe;
// outlives them.
class Conversations {
 public:
  // Each says that it goes away, also those to come.
  void BeginDrain();

 private:
  friend class Conversation;

  // Returns whether the drain has begun.
  bool Enter(Conversation* conversation);
  void Leave(Conversation* conversation);

  Mutex mu_;
  std::set<Conversation*> open_ ABSL_GUARDED_BY(mu_);
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
};

struct ConversationOptions {
  TypedOptions typed;
  absl::Duration idle_timeout = absl::Seconds(300);
  // Further turns are read when one of these has ended.
  size_t max_turns_in_flight = 256;
};

// One Converse call: turns by the client's ids, each an exchange of its own,
// whose events share the way out. Used by one flow.
class Conversation {
 public:
  // `arrival` is the call's: turns copy it and get request ids of their own.
  // All outlive the conversation.
  Conversation(Conversations& all, ExchangeServices& services,
               const Arrival& arrival, rpc::Call& call,
               const ConversationOptions& options,
               rpc::Source<agent::v1::ConverseRequest>& source,
               rpc::Sink<agent::v1::ConverseResponse>& sink,
               const boost::asio::any_io_executor& executor);
  ~Conversation();

  // OK after the client's half-close and the last turn, after a drain and the
  // last turn, or after the idle timeout; what ExchangeServices::Left
  // says if the client has left; after the last turn, an error of the source.
  Awaitable<absl::Status> Run();

 private:
  friend class Conversations;
  class TurnSink;
  struct Turn {
    boost::asio::cancellation_signal cancel;
    bool cancelled_by_client = false;
    // For the bytes of its request.
    ConcurrencyLimit::Permit body;
  };

  // Any thread.
  void NoteDrain();

  Awaitable<void> ReadRequests();
  Awaitable<void> WatchIdleness();
  // The call's, under a request id of its own.
  Arrival ArrivalOfTurn() const;
  absl::Status CheckTurnId(const std::string& turn_id) const;
  // Gives `turn` its share of the bound on bytes held. UNAVAILABLE if there is
  // none.
  absl::Status HoldBody(const agent::v1::ConverseRequest& request,
                        Turn& turn) const;
  // Refuses the turn if it may not run, or may not be held.
  void StartTurn(agent::v1::ConverseRequest request, std::shared_ptr<Turn> turn,
                 absl::Status held);
  Awaitable<void> RunTurn(agent::v1::ConverseRequest request,
                          std::shared_ptr<Turn> turn);
  // A refused turn is a request like any other: counted, recorded, answered.
  Awaitable<void> RefuseTurn(std::string turn_id, absl::Status error);
  void CancelTurn(const std::string& turn_id);

  // One message at a time.
  Awaitable<absl::Status> Send(agent::v1::ConverseResponse response);

  bool idle() const { return turns_.empty() && refusals_.running() == 0; }

  Conversations& all_;
  ExchangeServices& services_;
  const Arrival& arrival_;
  rpc::Call& call_;
  const ConversationOptions& options_;
  rpc::Source<agent::v1::ConverseRequest>& source_;
  rpc::Sink<agent::v1::ConverseResponse>& sink_;
  const boost::asio::any_io_executor executor_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  TaskGroup watchers_;
  TaskGroup refusals_;
  std::map<std::string, std::shared_ptr<Turn>> turns_;
  // Pulsed when anything below, or the set of turns, has changed.
  Event changed_;
  bool draining_ = false;
  // No request follows; why, if that is not the client's half-close.
  bool read_all_ = false;
  absl::Status read_error_;
  bool gone_ = false;
  bool timed_out_ = false;
  // Run is about to return: no turn begins any more.
  bool ending_ = false;
  absl::Time idle_since_;

  bool sending_ = false;
  Event sent_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_CONVERSE_H_
