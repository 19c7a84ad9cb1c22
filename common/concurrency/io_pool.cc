#include "common/concurrency/io_pool.h"

#include <boost/asio/executor_work_guard.hpp>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/concurrency/cgroup.h"
#include "common/concurrency/thread.h"

namespace gateway {
namespace {

thread_local const IoPool* current_pool = nullptr;
thread_local size_t current_index = 0;

}  // namespace

struct IoPool::Lane {
  // The hint: one thread runs it, others only post.
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      io.get_executor()};
  std::jthread thread;
};

IoPool::IoPool(size_t threads, std::string name) {
  if (threads == 0) threads = static_cast<size_t>(CpuQuota());
  for (size_t i = 0; i < threads; ++i) {
    lanes_.push_back(std::make_unique<Lane>());
  }
  for (size_t i = 0; i < threads; ++i) {
    Lane* lane = lanes_[i].get();
    lane->thread = StartThread(absl::StrCat(name, "-", i), [this, lane, i] {
      current_pool = this;
      current_index = i;
      lane->io.run();
    });
  }
}

IoPool::~IoPool() { Stop(); }

boost::asio::io_context& IoPool::At(size_t index) { return lanes_[index]->io; }

boost::asio::io_context& IoPool::Next() {
  return At(next_.fetch_add(1, std::memory_order_relaxed) % lanes_.size());
}

std::optional<size_t> IoPool::CurrentIndex() {
  if (current_pool == nullptr) return std::nullopt;
  return current_index;
}

bool IoPool::OnPoolThread() const { return current_pool == this; }

void IoPool::Stop() {
  for (auto& lane : lanes_) {
    lane->work.reset();
    lane->io.stop();
  }
  for (auto& lane : lanes_) {
    if (lane->thread.joinable()) lane->thread.join();
  }
}

}  // namespace gateway
