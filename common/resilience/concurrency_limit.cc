#include "common/resilience/concurrency_limit.h"

#include <utility>

namespace gateway {

ConcurrencyLimit::Permit::Permit(Permit&& other) noexcept
    : limit_(std::exchange(other.limit_, nullptr)),
      amount_(std::exchange(other.amount_, 0)) {}

ConcurrencyLimit::Permit& ConcurrencyLimit::Permit::operator=(
    Permit&& other) noexcept {
  if (this != &other) {
    Release();
    limit_ = std::exchange(other.limit_, nullptr);
    amount_ = std::exchange(other.amount_, 0);
  }
  return *this;
}

void ConcurrencyLimit::Permit::Release() {
  if (limit_ == nullptr) return;
  limit_->in_use_.fetch_sub(amount_, std::memory_order_relaxed);
  limit_ = nullptr;
  amount_ = 0;
}

bool ConcurrencyLimit::Permit::TryGrow(int64_t amount) {
  if (!limit_->Take(amount)) return false;
  amount_ += amount;
  return true;
}

std::optional<ConcurrencyLimit::Permit> ConcurrencyLimit::TryAcquire(
    int64_t amount) {
  if (!Take(amount)) return std::nullopt;
  return Permit(this, amount);
}

bool ConcurrencyLimit::Take(int64_t amount) {
  const int64_t most = max();
  int64_t now = in_use_.load(std::memory_order_relaxed);
  do {
    if (most > 0 && amount > most - now) return false;
  } while (!in_use_.compare_exchange_weak(now, now + amount,
                                          std::memory_order_relaxed));
  return true;
}

}  // namespace gateway
