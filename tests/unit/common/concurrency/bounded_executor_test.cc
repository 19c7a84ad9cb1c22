#include "common/concurrency/bounded_executor.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "common/concurrency/io_pool.h"
#include "common/concurrency/spawn.h"
#include "common/status/error.h"

namespace gateway {
namespace {

template <class Work>
auto RunOn(IoPool& pool, BoundedExecutor& executor, Work work) {
  using Result = std::invoke_result_t<Work&>;
  std::promise<std::pair<Result, bool>> promise;
  const auto flow = [&]() -> Awaitable<void> {
    const std::thread::id before = std::this_thread::get_id();
    Result result = co_await executor.Run(std::move(work));
    promise.set_value(
        {std::move(result), std::this_thread::get_id() == before});
  };
  SpawnDetached(pool.At(0).get_executor(), flow());
  auto [result, same_thread] = promise.get_future().get();
  EXPECT_TRUE(same_thread);
  return std::move(result);
}

TEST(BoundedExecutorTest, RunsElsewhereAndResumesOnTheFlowsThread) {
  IoPool pool(1);
  BoundedExecutor executor({.name = "disk", .threads = 1});
  const auto name = RunOn(pool, executor, []() -> absl::StatusOr<std::string> {
    char buffer[16];
    pthread_getname_np(pthread_self(), buffer, sizeof(buffer));
    return std::string(buffer);
  });
  EXPECT_EQ(*name, "disk-0");
}

TEST(BoundedExecutorTest, PassesMoveOnlyResultsAndErrors) {
  IoPool pool(1);
  BoundedExecutor executor({.threads = 1});
  const auto value =
      RunOn(pool, executor, []() -> absl::StatusOr<std::unique_ptr<int>> {
        return std::make_unique<int>(7);
      });
  EXPECT_EQ(**value, 7);
  EXPECT_EQ(RunOn(pool, executor,
                  [p = std::make_unique<int>(3)] {
                    return *p == 3 ? absl::DataLossError("x")
                                   : absl::OkStatus();
                  }),
            absl::DataLossError("x"));
}

TEST(BoundedExecutorTest, AnExceptionBecomesAnError) {
  IoPool pool(1);
  BoundedExecutor executor({.threads = 1});
  const absl::Status status = RunOn(pool, executor, []() -> absl::Status {
    throw std::runtime_error("on purpose");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ReasonOf(status), "internal");
}

TEST(BoundedExecutorTest, RefusesWhenTheQueueIsFull) {
  IoPool pool(1);
  // Outlive the thread that uses them.
  std::promise<void> entered, leave;
  BoundedExecutor executor({.threads = 1, .queue_size = 1});
  ASSERT_TRUE(executor.TryPost([&] {
    entered.set_value();
    leave.get_future().wait();
  }));
  entered.get_future().wait();
  ASSERT_TRUE(executor.TryPost([] {}));
  EXPECT_EQ(executor.Running(), 1u);
  EXPECT_EQ(executor.Waiting(), 1u);

  const absl::Status status =
      RunOn(pool, executor, [] { return absl::OkStatus(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), "overloaded");
  leave.set_value();
}

TEST(BoundedExecutorTest, StopRunsWhatWaitsAndRefusesTheRest) {
  IoPool pool(1);
  BoundedExecutor executor({.threads = 1});
  int ran = 0;
  for (int i = 0; i < 10; ++i) executor.TryPost([&] { ++ran; });
  executor.Stop();
  EXPECT_EQ(ran, 10);
  EXPECT_EQ(ReasonOf(RunOn(pool, executor, [] { return absl::OkStatus(); })),
            "overloaded");
}

TEST(BoundedExecutorTest, FreesTheWorkBeforeTheFlowResumes) {
  IoPool pool(1);
  BoundedExecutor executor({.threads = 2});
  for (int i = 0; i < 200; ++i) {
    auto held = std::make_shared<int>(i);
    std::promise<long> uses;
    const auto flow = [&]() -> Awaitable<void> {
      auto work = [held] { return absl::OkStatus(); };
      const std::weak_ptr<int> seen = held;
      held.reset();
      const absl::Status status = co_await executor.Run(std::move(work));
      uses.set_value(status.ok() ? seen.use_count() : -1);
    };
    SpawnDetached(pool.At(0).get_executor(), flow());
    ASSERT_EQ(uses.get_future().get(), 0);
  }
}

}  // namespace
}  // namespace gateway
