#include "services/metrics_collector/usage_ledger.h"

namespace gateway::metrics_collector {

bool Supersedes(const v1::UsageRow& newer, const v1::UsageRow& stored) {
  return stored.outcome() == v1::OUTCOME_UNKNOWN &&
         newer.outcome() != v1::OUTCOME_UNKNOWN;
}

}  // namespace gateway::metrics_collector
