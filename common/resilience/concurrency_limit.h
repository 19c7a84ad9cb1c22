#ifndef GATEWAY_COMMON_RESILIENCE_CONCURRENCY_LIMIT_H_
#define GATEWAY_COMMON_RESILIENCE_CONCURRENCY_LIMIT_H_

#include <atomic>
#include <cstdint>
#include <optional>

namespace gateway {

// At most `max` of something at once: requests, bytes of bodies. Thread-safe,
// without locks; never waits.
class ConcurrencyLimit {
 public:
  // A share of the limit, given back on destruction. Thread-compatible.
  class Permit {
   public:
    Permit() = default;  // of nothing
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { Release(); }

    // Gives back early. Idempotent.
    void Release();

    // Takes `amount` more into the same permit; false, and nothing changes, if
    // that is over the limit. Precondition: not empty.
    bool TryGrow(int64_t amount);

    int64_t amount() const { return amount_; }

   private:
    friend class ConcurrencyLimit;
    Permit(ConcurrencyLimit* limit, int64_t amount)
        : limit_(limit), amount_(amount) {}

    ConcurrencyLimit* limit_ = nullptr;
    int64_t amount_ = 0;
  };

  // 0: no bound, but counted. The limit outlives its permits.
  explicit ConcurrencyLimit(int64_t max) : max_(max) {}
  ConcurrencyLimit(const ConcurrencyLimit&) = delete;
  ConcurrencyLimit& operator=(const ConcurrencyLimit&) = delete;

  // nullopt if that would be over the limit. Precondition: amount >= 0.
  std::optional<Permit> TryAcquire(int64_t amount = 1);

  int64_t in_use() const { return in_use_.load(std::memory_order_relaxed); }
  int64_t max() const { return max_.load(std::memory_order_relaxed); }

  // Permits that are out stay, also above a lower bound.
  void SetMax(int64_t max) { max_.store(max, std::memory_order_relaxed); }

 private:
  bool Take(int64_t amount);

  std::atomic<int64_t> max_;
  std::atomic<int64_t> in_use_ = 0;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_RESILIENCE_CONCURRENCY_LIMIT_H_
