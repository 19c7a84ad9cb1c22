#include "services/batch_aggregator/result_committer.h"

#include <iterator>
#include <utility>

#include "common/concurrency/spawn.h"
#include "common/log/log.h"

namespace gateway::batch_aggregator {
namespace {

constexpr absl::Duration kRetryDelay = absl::Seconds(1);

}  // namespace

ResultCommitter::ResultCommitter(const boost::asio::any_io_executor& executor,
                                 BatchRepository* repository,
                                 BoundedExecutor* blocking, Clock* clock,
                                 Committed committed)
    : executor_(executor),
      repository_(repository),
      blocking_(blocking),
      clock_(clock),
      committed_(std::move(committed)) {}

Awaitable<bool> ResultCommitter::Commit(std::vector<NewResult> results) {
  if (gathering_ == nullptr) gathering_ = std::make_shared<Group>(executor_);
  const std::shared_ptr<Group> group = gathering_;
  group->results.insert(group->results.end(),
                        std::make_move_iterator(results.begin()),
                        std::make_move_iterator(results.end()));
  if (!writing_) {
    writing_ = true;
    Spawn(executor_, WriteGroups(), cancel_.slot(), nullptr);
  }
  // A cancellation of this flow ends one wait, not the next.
  while (!group->ended.is_set()) {
    co_await group->ended.Wait();
  }
  co_return group->durable;
}

void ResultCommitter::GiveUp() {
  give_up_ = true;
  cancel_.emit(boost::asio::cancellation_type::terminal);
}

Awaitable<void> ResultCommitter::WriteGroups() {
  while (gathering_ != nullptr) {
    const std::shared_ptr<Group> group = std::exchange(gathering_, nullptr);
    const std::optional<BatchRepository::Appended> appended =
        co_await Write(group->results);
    group->durable = appended.has_value();
    if (group->durable) committed_(group->results, *appended);
    group->ended.Set();
  }
  writing_ = false;
}

Awaitable<std::optional<BatchRepository::Appended>> ResultCommitter::Write(
    const std::vector<NewResult>& results) {
  while (true) {
    auto append = [this, &results] {
      return repository_->AppendResults(results, clock_->Now());
    };
    absl::StatusOr<BatchRepository::Appended> written =
        co_await blocking_->Run(std::move(append));
    if (written.ok()) co_return *std::move(written);
    LOG_WARNING_EVERY(
        absl::Seconds(10), "batch", "results are not stored yet",
        {{"error", written.status()}, {"results", results.size()}});
    if (give_up_) co_return std::nullopt;
    co_await clock_->SleepFor(kRetryDelay);
  }
}

}  // namespace gateway::batch_aggregator
