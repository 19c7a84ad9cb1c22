#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_TALLY_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_TALLY_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>

#include "gateway/batch_aggregator/stored/v1/stored.pb.h"
#include "gateway/batch_aggregator/v1/batch_aggregator.pb.h"

// The counts and states of a batch.
namespace gateway::batch_aggregator {

// How an item can end.
enum class Outcome { kSucceeded, kFailed, kCancelled };
Outcome OutcomeOf(const v1::ItemResult& result);

// The result of an item that failed; CANCELLED if its batch was cancelled.
v1::ItemResult FailedResult(const std::string& custom_id,
                            const absl::Status& error);

// Results so far.
int64_t Answered(const stored::v1::Batch& batch);

bool HasEnded(const stored::v1::Batch& batch);

// An ended batch that is kept no longer.
bool HasExpired(const stored::v1::Batch& batch, absl::Time now);

// Books one more result, and ends the batch if that was the last one: it is
// kept for `retention` from then on.
void AddResult(const v1::ItemResult& result, absl::Time now,
               absl::Duration retention, stored::v1::Batch& batch);

// False if it has ended or is being cancelled already.
bool BeginCancel(stored::v1::Batch& batch);

// As callers see it.
v1::Batch Describe(const stored::v1::Batch& batch);

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_TALLY_H_
