#include "services/metrics_collector/privacy.h"

namespace gateway::metrics_collector {
namespace {

void StripPerson(common::v1::Account& account) {
  account.clear_key_id();
  account.clear_user();
}

}  // namespace

void Privacy::Strip(v1::UsageRow& row) const {
  if (covert_) StripPerson(*row.mutable_account());
}

void Privacy::Strip(v1::Beat& beat) const {
  if (!covert_) return;
  for (v1::OpenRequest& open : *beat.mutable_open_requests()) {
    StripPerson(*open.mutable_account());
  }
}

void Privacy::Strip(v1::RequestRecord& record) const {
  const bool covert = covert_.load(std::memory_order_relaxed);
  const auto contents = contents_.load(std::memory_order_relaxed);
  if (covert) {
    StripPerson(*record.mutable_account());
    record.clear_session_id();
    record.clear_client_request_id();
  }
  const bool failed = record.outcome() == v1::OUTCOME_FAILED;
  const bool keep =
      !covert && (contents == config::v1::CONTENTS_ALL ||
                  (contents == config::v1::CONTENTS_ERRORS && failed));
  if (!keep) {
    record.clear_request_content();
    record.clear_answer_content();
  }
}

}  // namespace gateway::metrics_collector
