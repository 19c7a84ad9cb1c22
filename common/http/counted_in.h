#ifndef GATEWAY_COMMON_HTTP_COUNTED_IN_H_
#define GATEWAY_COMMON_HTTP_COUNTED_IN_H_

#include <atomic>
#include <cstdint>

namespace gateway::http {

// One more in `gauge`, until the end.
class CountedIn {
 public:
  explicit CountedIn(std::atomic<int64_t>& gauge) : gauge_(gauge) {
    gauge_.fetch_add(1, std::memory_order_relaxed);
  }
  ~CountedIn() { gauge_.fetch_sub(1, std::memory_order_relaxed); }
  CountedIn(const CountedIn&) = delete;
  CountedIn& operator=(const CountedIn&) = delete;

 private:
  std::atomic<int64_t>& gauge_;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_COUNTED_IN_H_
