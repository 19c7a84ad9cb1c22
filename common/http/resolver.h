#ifndef GATEWAY_COMMON_HTTP_RESOLVER_H_
#define GATEWAY_COMMON_HTTP_RESOLVER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/concurrency/bounded_executor.h"
#include "common/concurrency/mutex.h"
#include "common/time/clock.h"

namespace gateway::http {

using Addresses = std::vector<boost::asio::ip::address>;

// Counters since the start. Written with relaxed order.
struct ResolverStats {
  std::atomic<uint64_t> lookups{0};
  std::atomic<uint64_t> failures{0};
  // Answered with what the name had before, since a lookup failed or is slow.
  std::atomic<uint64_t> stale{0};
  // Not looked up: too many names wait.
  std::atomic<uint64_t> refused{0};
};

// The addresses of host names, for all clients of a process. Names are looked
// up on several threads, each name by one of them at a time, so that a name
// whose servers hang does not hold up the others. Thread-safe.
class Resolver {
 public:
  // Blocks. Never an empty list.
  using Lookup = std::function<absl::StatusOr<Addresses>(const std::string&)>;

  struct Options {
    // Started with the first name.
    size_t threads = 8;
    // Names that wait for a thread.
    size_t queue_size = 256;
    // An answer holds so long. The system does not tell how long it may.
    absl::Duration ttl = absl::Seconds(10);
    // So old it is still given while the name cannot be looked up.
    absl::Duration max_stale = absl::Hours(1);
    // Names that are remembered.
    size_t max_hosts = 1024;
    // Empty: getaddrinfo.
    Lookup lookup;
    Clock* clock = RealClock();
  };

  // A name that was asked for. Used on the asker's thread; destroying it ends
  // the wait. The resolver outlives it.
  class Question {
   public:
    ~Question();
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

    // nullopt: not yet. UNAVAILABLE: the name has no address, or too many names
    // wait.
    std::optional<absl::StatusOr<Addresses>> Answer() const;

    // There is an answer to fall back on.
    bool has_stale() const { return !stale_.empty(); }
    Addresses TakeStale();

   private:
    friend class Resolver;
    explicit Question(Resolver* resolver) : resolver_(*resolver) {}

    Resolver& resolver_;
    // Set by Ask.
    std::string host_;
    Addresses stale_;
    std::function<void()> on_answer_;
    // Under the resolver's lock.
    std::optional<absl::StatusOr<Addresses>> answer_;
  };

  explicit Resolver(Options options);
  // Blocks until the lookups that are under way have ended.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `on_answer` is called once, unless the answer is known at once or the
  // question is destroyed before: on another thread and under a lock, so it
  // only posts.
  std::unique_ptr<Question> Ask(const std::string& host,
                                std::function<void()> on_answer);

  // None of the addresses of `host` could be reached: they may have changed.
  void Doubt(const std::string& host);

  const ResolverStats& stats() const { return stats_; }
  // Names that are being looked up or wait for it.
  size_t pending() const;

 private:
  struct Host {
    Addresses addresses;
    absl::Time fresh_until = absl::InfinitePast();
    absl::Time usable_until = absl::InfinitePast();
    bool pending = false;
    // Only while pending.
    std::vector<Question*> questions;
  };

  // False if it cannot be.
  bool StartLookup(const std::string& name, Host& host)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LookUp(const std::string& name);
  void End(Question* question);

  const Options options_;
  ResolverStats stats_;

  mutable Mutex mu_;
  std::map<std::string, Host> hosts_ ABSL_GUARDED_BY(mu_);
  size_t pending_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<BoundedExecutor> threads_ ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_RESOLVER_H_
