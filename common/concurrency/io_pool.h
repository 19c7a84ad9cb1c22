#ifndef GATEWAY_COMMON_CONCURRENCY_IO_POOL_H_
#define GATEWAY_COMMON_CONCURRENCY_IO_POOL_H_

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

// The io threads: N io_contexts, each run by one thread of its own. A request
// lives on one of them from start to end, so that its state needs no lock.
// Thread-safe.
//
// Order of destruction: Stop the pool while everything its flows point at
// still lives; a flow that has not ended by then is destroyed, not resumed,
// when the pool is.
class IoPool {
 public:
  // `threads` 0: one for each CPU of the quota. Starts them. They are named
  // "<name>-<index>".
  explicit IoPool(size_t threads = 0, std::string name = "io");
  ~IoPool();

  size_t size() const { return lanes_.size(); }

  // Precondition: index < size().
  boost::asio::io_context& At(size_t index);

  // Round robin.
  boost::asio::io_context& Next();

  // The index of the calling thread in the pool that owns it; nullopt on any
  // other thread. Indexes what is kept for each io thread.
  static std::optional<size_t> CurrentIndex();

  // Whether the calling thread is one of this pool.
  bool OnPoolThread() const;

  // Ends the threads after the handlers they are in, and joins them.
  // Idempotent; not from a thread of the pool.
  void Stop();

 private:
  struct Lane;

  std::vector<std::unique_ptr<Lane>> lanes_;  // set at construction
  std::atomic<size_t> next_ = 0;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_IO_POOL_H_
