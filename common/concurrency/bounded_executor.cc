#include "common/concurrency/bounded_executor.h"

#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/concurrency/thread.h"
#include "common/status/error.h"

namespace gateway {

namespace {

int64_t SteadyNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

BoundedExecutor::BoundedExecutor(Options options)
    : queue_(options.queue_size),
      name_(std::move(options.name)),
      since_(options.threads) {
  for (size_t i = 0; i < options.threads; ++i) {
    threads_.push_back(
        StartThread(absl::StrCat(name_, "-", i), [this, i] { Loop(i); }));
  }
}

BoundedExecutor::~BoundedExecutor() { Stop(); }

bool BoundedExecutor::TryPost(std::function<void()> job) {
  return queue_.TryPush(std::move(job));
}

void BoundedExecutor::Stop() {
  queue_.Close();
  for (std::jthread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::vector<std::pair<std::string, absl::Duration>> BoundedExecutor::BusyFor()
    const {
  std::vector<std::pair<std::string, absl::Duration>> busy;
  const int64_t now = SteadyNanos();
  for (size_t i = 0; i < since_.size(); ++i) {
    const int64_t since = since_[i].load(std::memory_order_relaxed);
    if (since == 0) continue;
    busy.emplace_back(absl::StrCat(name_, "-", i),
                      absl::Nanoseconds(now - since));
  }
  return busy;
}

void BoundedExecutor::Loop(size_t index) {
  while (std::optional<std::function<void()>> job = queue_.Pop()) {
    running_.fetch_add(1, std::memory_order_relaxed);
    since_[index].store(SteadyNanos(), std::memory_order_relaxed);
    (*job)();
    since_[index].store(0, std::memory_order_relaxed);
    running_.fetch_sub(1, std::memory_order_relaxed);
  }
}

absl::Status BoundedExecutor::RefusedError() {
  return Overloaded("Too much work is waiting. Please try again.");
}

absl::Status BoundedExecutor::ThrewError() { return InternalError(); }

}  // namespace gateway
