#ifndef GATEWAY_TESTS_UNIT_COMMON_HTTP_IO_THREADS_H_
#define GATEWAY_TESTS_UNIT_COMMON_HTTP_IO_THREADS_H_

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

namespace gateway::http {

// Io contexts, each run by a thread of its own until the end of the test.
class IoThreads {
 public:
  explicit IoThreads(int count) {
    for (int i = 0; i < count; ++i) {
      boost::asio::io_context& io = ios_.emplace_back(1);
      guards_.push_back(boost::asio::make_work_guard(io));
    }
    for (auto& io : ios_) threads_.emplace_back([&io] { io.run(); });
  }
  ~IoThreads() { Stop(); }

  void Stop() {
    for (auto& io : ios_) io.stop();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

  boost::asio::io_context& operator[](int i) { return ios_[i]; }
  std::vector<boost::asio::io_context*> all() {
    std::vector<boost::asio::io_context*> all;
    for (auto& io : ios_) all.push_back(&io);
    return all;
  }

  // Runs a coroutine on the first thread and waits for its result.
  template <class T>
  T Await(boost::asio::awaitable<T> awaitable) {
    return boost::asio::co_spawn(ios_[0], std::move(awaitable),
                                 boost::asio::use_future)
        .get();
  }

 private:
  std::deque<boost::asio::io_context> ios_;
  std::vector<
      boost::asio::executor_work_guard<boost::asio::io_context::executor_type>>
      guards_;
  std::vector<std::thread> threads_;
};

}  // namespace gateway::http

#endif  // GATEWAY_TESTS_UNIT_COMMON_HTTP_IO_THREADS_H_
