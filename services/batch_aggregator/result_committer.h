#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_RESULT_COMMITTER_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_RESULT_COMMITTER_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "common/concurrency/awaitable.h"
#include "common/concurrency/bounded_executor.h"
#include "common/concurrency/event.h"
#include "common/time/clock.h"
#include "services/batch_aggregator/batch_repository.h"

namespace gateway::batch_aggregator {

// Writes results in groups: those that come while a write runs go together in
// the next one, so that a synced write serves as many as there are. Of ONE io
// thread; all others outlive it, and nobody may be in Commit when it is
// destroyed.
class ResultCommitter {
 public:
  // Told of each group once it is durable, and of what came of it.
  using Committed =
      std::function<void(const std::vector<NewResult>& results,
                         const BatchRepository::Appended& appended)>;

  ResultCommitter(const boost::asio::any_io_executor& executor,
                  BatchRepository* repository, BoundedExecutor* blocking,
                  Clock* clock, Committed committed);

  // Returns when they are durable: true. While the storage cannot be written
  // it is tried again each second; false only after GiveUp. A cancelled flow
  // waits all the same: an answer is not thrown away.
  Awaitable<bool> Commit(std::vector<NewResult> results);

  // From here on a write is tried once.
  void GiveUp();

 private:
  struct Group {
    explicit Group(const boost::asio::any_io_executor& executor)
        : ended(executor) {}
    std::vector<NewResult> results;
    Event ended;
    bool durable = false;
  };

  Awaitable<void> WriteGroups();
  // nullopt: it was given up.
  Awaitable<std::optional<BatchRepository::Appended>> Write(
      const std::vector<NewResult>& results);

  const boost::asio::any_io_executor executor_;
  BatchRepository* const repository_;
  BoundedExecutor* const blocking_;
  Clock* const clock_;
  const Committed committed_;

  // What the next write takes; null if nothing waits.
  std::shared_ptr<Group> gathering_;
  bool writing_ = false;
  bool give_up_ = false;
  boost::asio::cancellation_signal cancel_;
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_RESULT_COMMITTER_H_
