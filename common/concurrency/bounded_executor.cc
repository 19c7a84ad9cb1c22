#include "common/concurrency/bounded_executor.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "common/concurrency/thread.h"
#include "common/status/error.h"

namespace gateway {

BoundedExecutor::BoundedExecutor(Options options) : queue_(options.queue_size) {
  for (size_t i = 0; i < options.threads; ++i) {
    threads_.push_back(
        StartThread(absl::StrCat(options.name, "-", i), [this] { Loop(); }));
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

void BoundedExecutor::Loop() {
  while (std::optional<std::function<void()>> job = queue_.Pop()) {
    running_.fetch_add(1, std::memory_order_relaxed);
    (*job)();
    running_.fetch_sub(1, std::memory_order_relaxed);
  }
}

absl::Status BoundedExecutor::RefusedError() {
  return Overloaded("Too much work is waiting. Please try again.");
}

absl::Status BoundedExecutor::ThrewError() { return InternalError(); }

}  // namespace gateway
