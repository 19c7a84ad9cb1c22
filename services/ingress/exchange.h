#ifndef GATEWAY_SERVICES_INGRESS_EXCHANGE_H_
#define GATEWAY_SERVICES_INGRESS_EXCHANGE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <optional>
#include <span>
#include <string>

#include "common/clients/model_router.h"
#include "common/concurrency/awaitable.h"
#include "common/concurrency/hot_value.h"
#include "common/resilience/concurrency_limit.h"
#include "common/rpc/call.h"
#include "common/telemetry/reporter.h"
#include "common/time/clock.h"
#include "gateway/metrics_collector/v1/metrics_collector.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/ingress/admission.h"
#include "services/ingress/api_keys.h"
#include "services/ingress/arrival.h"
#include "services/ingress/contents.h"
#include "services/ingress/metrics.h"
#include "services/ingress/model_catalogue.h"
#include "services/ingress/session_turn.h"
#include "services/ingress/session_wish.h"

namespace gateway::ingress {

// A chat as an adapter reads it.
struct ChatCall {
  // Model and form. The exchange adds the rest.
  model_router::v1::RouteRequest route;
  bool stream = false;
  // When the client stops waiting.
  absl::Time deadline = absl::InfiniteFuture();
  bool assistant_anywhere_but_last = false;
  std::optional<SessionWish> session;
  // Overrides the arrival's if set.
  std::string user;
};

// Where an adapter keeps a request until it is admitted.
class ChatReader {
 public:
  virtual ~ChatReader() = default;
  // Called at most once. INVALID_ARGUMENT names what is wrong.
  virtual absl::Status Read(ChatCall& call) = 0;
};

// Where an answer goes: one transport's way to its client. Used by one flow.
// The calls are: StreamOpened if a stream is asked for and admitted;
// SessionBegun if there is a session; Started at most once; any number of Run;
// then Completed or Failed, unless the client has left. What Run and Completed
// return is CANCELLED if it has.
class ExchangeSink {
 public:
  virtual ~ExchangeSink() = default;

  virtual Awaitable<void> StreamOpened() { co_return; }

  // For the head of the answer; `turn` lives until the end.
  virtual void SessionBegun(const SessionTurn& turn) {}
  virtual void Started(const model_router::v1::Started& started) {}

  // A run of a stream: `event` holds frames or deltas. May move from it.
  virtual Awaitable<absl::Status> Run(model_router::v1::RouteEvent& event) = 0;

  // The end of a good answer. `event` holds `completed`, and with it the whole
  // answer or, of a stream, maybe a run. May move from it.
  virtual Awaitable<absl::Status> Completed(
      model_router::v1::RouteEvent& event) = 0;

  virtual Awaitable<void> Failed(const absl::Status& error) = 0;

  // Something has gone out: a failure is no longer the answer's status.
  virtual bool begun() const = 0;
};

struct ExchangeOptions {
  // false: a stream is held and sent as one run.
  bool streaming = true;
  // A held stream is sent nevertheless where it grows beyond this.
  size_t max_held_bytes = 4 * 1024 * 1024;
  // No keys, users, sessions or contents in what is reported.
  bool covert = false;
  Contents contents = Contents::kOff;
};

// What all exchanges share. Thread-safe; outlives them.
struct ExchangeServices {
  const ApiKeys* keys = nullptr;
  Admission* admission = nullptr;
  const ModelCatalogue* catalogue = nullptr;
  ModelRouter* router = nullptr;
  SessionAccess* sessions = nullptr;
  telemetry::Reporter* reporter = nullptr;
  Metrics* metrics = nullptr;
  Clock* clock = nullptr;
  HotValue<ExchangeOptions> options;
  // Bytes of requests that are held at once, over all ways in. Null: no bound.
  ConcurrencyLimit* bodies = nullptr;
  // Flows that are cancelled from here on were cut by the drain: their clients
  // are still there.
  std::atomic<bool> cutting = false;

  // Who sent it, or UNAUTHENTICATED. Fills `context` but for the user.
  absl::StatusOr<ApiKey*> Recognise(const Arrival& arrival,
                                    common::v1::CallContext& context) const;

  // Admission's Admit, with what it refuses counted.
  absl::StatusOr<Admission::Permit> Admit(ApiKey& key);

  // Why the flow of a caller who is gone ends: UNAVAILABLE `draining`: it was
  // cut; DEADLINE_EXCEEDED: the time it gave from `start` to `deadline` is
  // over; else CANCELLED `client_closed`.
  absl::Status Left(absl::Time start, absl::Time deadline) const;

  // The end of a request that is no exchange: counted, and recorded if its
  // caller is known: `account` is not null.
  void End(const Arrival& arrival, const common::v1::Account* account,
           const absl::Status& outcome) const;

  // The terminal record of a request, less what only a chat has. `account` is
  // as it was admitted; the record keeps what may be kept.
  metrics_collector::v1::RequestRecord RecordOf(
      const Arrival& arrival, const common::v1::Account& account,
      const absl::Status& outcome) const;
};

// One request from admission to settlement: authenticate, admit, read, context,
// route, deliver, commit, settle, report. Used by one flow.
class Exchange final : private rpc::Sink<model_router::v1::RouteEvent> {
 public:
  // All outlive the exchange.
  Exchange(ExchangeServices& services, const Arrival& arrival,
           ExchangeSink& sink);
  ~Exchange() override;

  // Exactly once. Returns when the sink has the end, or the client is gone.
  // OK, or what the client was told.
  Awaitable<absl::Status> Run(ChatReader& reader);

  // Whether the sink was given the end.
  bool heard() const { return heard_; }

 private:
  using RouteEvent = model_router::v1::RouteEvent;

  // The steps, in order. An error is the outcome.
  absl::Status Open(ChatReader& reader);
  Awaitable<absl::Status> BeginTurn();
  Awaitable<absl::Status> Route();
  Awaitable<absl::Status> Finish();
  void Settle(const absl::Status& outcome);

  absl::Status OutcomeOfRoute(const absl::Status& routed, bool cancelled);
  absl::Status Left();
  void Report(const absl::Status& outcome);
  void Measure(const absl::Status& outcome, absl::Time end);

  // What model-router gives.
  Awaitable<absl::Status> Write(RouteEvent event) override;
  Awaitable<absl::Status> WriteMany(std::span<RouteEvent> events) override;
  void Take(RouteEvent& event);
  bool MayDeliver() const;
  Awaitable<absl::Status> Deliver();

  // Set at construction.
  ExchangeServices& services_;
  // As they were when it began.
  const ExchangeOptions options_;
  const Arrival& arrival_;
  ExchangeSink& sink_;

  // In the order in which they are learnt.
  ApiKey* caller_ = nullptr;
  Admission::Permit permit_;
  ChatCall call_;
  common::v1::Account reported_account_;
  telemetry::OpenEntry open_;
  bool model_known_ = false;
  std::optional<SessionTurn> turn_;
  model_router::v1::Started started_;
  // Holds the run that is to be delivered next, if any.
  RouteEvent held_;
  size_t held_bytes_ = 0;
  absl::Time first_run_time_ = absl::InfiniteFuture();
  bool delivery_failed_ = false;
  // The client can be told the end: it has not left, and is not still busy with
  // a run after its time was up.
  bool heard_ = true;
  // The terminal event, without its run.
  std::optional<RouteEvent> last_;
  ContentsKeeper contents_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_EXCHANGE_H_
