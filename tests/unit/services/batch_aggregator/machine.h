#ifndef GATEWAY_TESTS_UNIT_SERVICES_BATCH_AGGREGATOR_MACHINE_H_
#define GATEWAY_TESTS_UNIT_SERVICES_BATCH_AGGREGATOR_MACHINE_H_

#include <gtest/gtest.h>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/concurrency/io_pool.h"
#include "common/concurrency/spawn.h"
#include "services/batch_aggregator/batch_aggregator_service.h"
#include "services/batch_aggregator/rocksdb_batch_repository.h"

namespace gateway::batch_aggregator {

// Waits for `condition`, which other threads bring about.
inline bool Await(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + absl::Seconds(30);
  while (!condition()) {
    if (absl::Now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Gives the parts of a batch.
class ListSource final : public rpc::Source<v1::SubmitBatchRequest> {
 public:
  ListSource(const v1::BatchHeader& header,
             const std::vector<v1::BatchItem>& items) {
    *messages_.emplace_back().mutable_header() = header;
    for (const v1::BatchItem& item : items) {
      *messages_.emplace_back().mutable_item() = item;
    }
  }

  Awaitable<absl::StatusOr<std::optional<v1::SubmitBatchRequest>>> Read()
      override {
    if (next_ < messages_.size()) {
      co_return std::optional<v1::SubmitBatchRequest>(messages_[next_++]);
    }
    if (!broken_.ok()) co_return broken_;
    co_return std::optional<v1::SubmitBatchRequest>();
  }

  // After the parts, in place of the end.
  void BreakWith(absl::Status status) { broken_ = std::move(status); }

 private:
  std::vector<v1::SubmitBatchRequest> messages_;
  size_t next_ = 0;
  absl::Status broken_;
};

// Tells of each result.
class ResultSink final : public rpc::Sink<v1::StreamBatchResultsResponse> {
 public:
  using Told = std::function<void(const v1::StreamBatchResultsResponse&)>;
  explicit ResultSink(Told told) : told_(std::move(told)) {}

  Awaitable<absl::Status> Write(
      v1::StreamBatchResultsResponse result) override {
    told_(result);
    co_return absl::OkStatus();
  }

 private:
  const Told told_;
};

// The service with all that is below it, on two io threads.
class Machine {
 public:
  Machine(const RocksDbBatchRepositoryOptions& store,
          const DispatcherOptions& dispatch, ModelRouter* router,
          SessionStore* sessions, Clock* clock)
      : repository_(Open(store)) {
    dispatcher_ = std::make_unique<Dispatcher>(
        dispatch, pool_.At(0).get_executor(),
        Dispatcher::Parts{repository_.get(), &blocking_, router, sessions,
                          clock, &metrics_, &watch_});
    service_ = std::make_unique<BatchAggregatorService>(
        ServiceOptions(),
        BatchAggregatorService::Parts{repository_.get(), &blocking_,
                                      dispatcher_.get(), &watch_, clock});
    auto unfinished = repository_->LoadUnfinished();
    EXPECT_TRUE(unfinished.ok()) << unfinished.status();
    Spawn(pool_.At(0).get_executor(), dispatcher_->Run(*std::move(unfinished)),
          cancel_.slot(), [this] { ended_.set_value(); });
  }

  ~Machine() {
    boost::asio::post(pool_.At(0), [this] {
      cancel_.emit(boost::asio::cancellation_type::terminal);
    });
    ended_.get_future().wait();
    // Its threads may still be about to let go of the io threads.
    blocking_.Stop();
    pool_.Stop();
  }

  // Runs a flow to its end.
  template <class T>
  T Run(Awaitable<T> flow) {
    std::promise<T> result;
    auto keep = [](Awaitable<T> inner, std::promise<T>* to) -> Awaitable<void> {
      T value = co_await std::move(inner);
      to->set_value(std::move(value));
    };
    SpawnDetached(pool_.At(1).get_executor(), keep(std::move(flow), &result));
    return result.get_future().get();
  }

  absl::StatusOr<v1::Batch> Submit(const v1::BatchHeader& header,
                                   const std::vector<v1::BatchItem>& items) {
    rpc::Call call;
    ListSource source(header, items);
    return Run(service_->SubmitBatch(call, source));
  }

  v1::Batch Get(const v1::BatchHeader& header, const std::string& batch_id) {
    rpc::Call call;
    v1::GetBatchRequest request;
    *request.mutable_context() = header.context();
    request.set_batch_id(batch_id);
    const auto batch = Run(service_->GetBatch(call, request));
    EXPECT_TRUE(batch.ok()) << batch.status();
    return batch.ok() ? *batch : v1::Batch();
  }

  // Reads results until their end.
  absl::Status Results(const v1::BatchHeader& header,
                       const std::string& batch_id, const std::string& cursor,
                       bool follow, ResultSink::Told told) {
    rpc::Call call;
    v1::StreamBatchResultsRequest request;
    *request.mutable_context() = header.context();
    request.set_batch_id(batch_id);
    request.set_cursor(cursor);
    request.set_follow(follow);
    ResultSink sink(std::move(told));
    return Run(service_->StreamBatchResults(call, request, sink));
  }

  BatchAggregatorService& service() { return *service_; }
  Dispatcher& dispatcher() { return *dispatcher_; }
  RocksDbBatchRepository& repository() { return *repository_; }
  Metrics& metrics() { return metrics_; }
  IoPool& pool() { return pool_; }

 private:
  static std::unique_ptr<RocksDbBatchRepository> Open(
      const RocksDbBatchRepositoryOptions& options) {
    auto opened = RocksDbBatchRepository::Open(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }

  const std::unique_ptr<RocksDbBatchRepository> repository_;
  ResultWatch watch_;
  Metrics metrics_;
  boost::asio::cancellation_signal cancel_;
  std::promise<void> ended_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<BatchAggregatorService> service_;
  BoundedExecutor blocking_{{.name = "batches", .threads = 2}};
  IoPool pool_{2};
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_TESTS_UNIT_SERVICES_BATCH_AGGREGATOR_MACHINE_H_
