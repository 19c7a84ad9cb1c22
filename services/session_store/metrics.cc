#include "services/session_store/metrics.h"

#include <string>

#include "common/status/error.h"

namespace gateway::session_store {
namespace {

prometheus::Gauge& AddGauge(prometheus::Registry& registry, const char* name,
                            const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(
      {});
}

}  // namespace

absl::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kCreateSession:
      return "create_session";
    case Operation::kGetSession:
      return "get_session";
    case Operation::kListSessions:
      return "list_sessions";
    case Operation::kListTurns:
      return "list_turns";
    case Operation::kDeleteSession:
      return "delete_session";
    case Operation::kBeginTurn:
      return "begin_turn";
    case Operation::kRenewLease:
      return "renew_lease";
    case Operation::kCommitTurn:
      return "commit_turn";
    case Operation::kAbandonTurn:
      return "abandon_turn";
    case Operation::kReadContext:
      return "read_context";
    case Operation::kClean:
      return "clean";
  }
  return "other";
}

Metrics::Metrics()
    : sessions_active_(AddGauge(
          registry_, "agentgw_sessions_active",
          "Sessions that are stored; expired ones until they are cleaned.")),
      write_stopped_(AddGauge(registry_, "agentgw_rocksdb_write_stopped",
                              "1 while RocksDB takes no writes.")),
      damages_(prometheus::BuildCounter()
                   .Name("agentgw_rocksdb_damages_total")
                   .Help("Times that something stored was met damaged.")
                   .Register(registry_)
                   .Add({})),
      operations_(prometheus::BuildCounter()
                      .Name("agentgw_session_operations_total")
                      .Help("Operations on sessions, by what became of them.")
                      .Register(registry_)) {
  auto& durations =
      prometheus::BuildHistogram()
          .Name("agentgw_session_operation_duration_seconds")
          .Help("How long operations on sessions took, waiting included.")
          .Register(registry_);
  const prometheus::Histogram::BucketBoundaries buckets = {
      .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1};
  for (int i = 0; i < kOperations; ++i) {
    const std::string op(OperationName(static_cast<Operation>(i)));
    durations_[i] = &durations.Add({{"op", op}}, buckets);
    ok_[i] = &operations_.Add({{"op", op}, {"result", "ok"}});
  }
}

void Metrics::Ended(Operation operation, const absl::Status& status,
                    absl::Duration duration) {
  const int index = static_cast<int>(operation);
  durations_[index]->Observe(absl::ToDoubleSeconds(duration));
  if (status.ok()) {
    ok_[index]->Increment();
    return;
  }
  std::string result = ReasonOf(status);
  if (FindReason(result) == nullptr) result = "other";
  operations_
      .Add({{"op", std::string(OperationName(operation))}, {"result", result}})
      .Increment();
}

}  // namespace gateway::session_store
