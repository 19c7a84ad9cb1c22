#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_DRAFT_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_DRAFT_H_

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/batch_aggregator/stored/v1/stored.pb.h"
#include "gateway/batch_aggregator/v1/batch_aggregator.pb.h"

namespace gateway::batch_aggregator {

struct BatchLimits {
  int64_t max_items = 50'000;
  // Of all items together.
  int64_t max_bytes = 200 << 20;
};

// A batch while its parts come in: the rules for what may be in it.
// Thread-compatible.
class BatchDraft {
 public:
  explicit BatchDraft(const BatchLimits& limits) : limits_(limits) {}

  // Exactly once, first. INVALID_ARGUMENT for metadata or an idempotency key
  // over their bounds.
  absl::Status SetHeader(const v1::BatchHeader& header);

  // The next item: what is to be kept of it beside itself, and whether it
  // holds its whole history. INVALID_ARGUMENT, with the item named in
  // `param`, for one that no model could be asked; PERMISSION_DENIED
  // `model_not_allowed`; RESOURCE_EXHAUSTED `batch_limit` over a bound.
  struct Facts {
    stored::v1::PendingItem pending;
    bool whole_history = false;
  };
  absl::StatusOr<Facts> Add(const v1::BatchItem& item);

  // INVALID_ARGUMENT without a header or an item.
  absl::Status Complete() const;

  bool has_header() const { return has_header_; }
  const v1::BatchHeader& header() const { return header_; }
  // In the order of PendingItem.model.
  const std::vector<std::string>& models() const { return models_; }
  int64_t item_count() const { return static_cast<int64_t>(ids_.size()); }

 private:
  absl::Status CheckItem(const v1::BatchItem& item, Facts& facts);
  absl::Status ReadTyped(const v1::BatchItem& item, Facts& facts);
  absl::Status ReadEncoded(const v1::BatchItem& item, Facts& facts);
  absl::Status SetModel(const std::string& model, Facts& facts);

  const BatchLimits limits_;
  bool has_header_ = false;
  v1::BatchHeader header_;
  absl::flat_hash_set<std::string> ids_;
  absl::flat_hash_map<std::string, uint32_t> model_indices_;
  std::vector<std::string> models_;
  int64_t bytes_ = 0;
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_DRAFT_H_
