#include "common/http/resolver.h"

#include <netdb.h>

#include <boost/asio/ip/tcp.hpp>
#include <cstring>
#include <utility>

namespace gateway::http {
namespace {

absl::Status NoAddress() {
  return absl::UnavailableError("the host name has no address");
}

absl::StatusOr<Addresses> SystemLookup(const std::string& host) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
    return NoAddress();
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(
      found, &::freeaddrinfo);
  Addresses addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    boost::asio::ip::tcp::endpoint endpoint;
    if (each->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), each->ai_addr, each->ai_addrlen);
    endpoint.resize(each->ai_addrlen);
    addresses.push_back(endpoint.address());
  }
  if (addresses.empty()) return NoAddress();
  return addresses;
}

}  // namespace

Resolver::Question::~Question() { resolver_.End(this); }

std::optional<absl::StatusOr<Addresses>> Resolver::Question::Answer() const {
  MutexLock lock(resolver_.mu_);
  return answer_;
}

Addresses Resolver::Question::TakeStale() {
  resolver_.stats_.stale.fetch_add(1, std::memory_order_relaxed);
  return std::move(stale_);
}

Resolver::Resolver(Options options)
    : options_([&] {
        if (options.lookup == nullptr) options.lookup = SystemLookup;
        return std::move(options);
      }()) {}

Resolver::~Resolver() {
  std::unique_ptr<BoundedExecutor> threads;
  {
    MutexLock lock(mu_);
    stopping_ = true;
    threads = std::move(threads_);
  }
  if (threads != nullptr) threads->Stop();
}

std::unique_ptr<Resolver::Question> Resolver::Ask(
    const std::string& host, std::function<void()> on_answer) {
  std::unique_ptr<Question> question(new Question(this));
  MutexLock lock(mu_);
  if (hosts_.size() >= options_.max_hosts && !hosts_.contains(host)) {
    std::erase_if(hosts_,
                  [](const auto& each) { return !each.second.pending; });
  }
  Host& entry = hosts_[host];
  const absl::Time now = options_.clock->Now();
  if (now < entry.fresh_until) {
    question->answer_ = entry.addresses;
    return question;
  }
  if (now < entry.usable_until) question->stale_ = entry.addresses;
  if (!entry.pending && !StartLookup(host, entry)) {
    stats_.refused.fetch_add(1, std::memory_order_relaxed);
    question->answer_ =
        absl::UnavailableError("too many host names wait to be resolved");
    return question;
  }
  question->host_ = host;
  question->on_answer_ = std::move(on_answer);
  entry.questions.push_back(question.get());
  return question;
}

bool Resolver::StartLookup(const std::string& name, Host& host) {
  if (threads_ == nullptr) {
    threads_ = std::make_unique<BoundedExecutor>(
        BoundedExecutor::Options{.name = "resolver",
                                 .threads = options_.threads,
                                 .queue_size = options_.queue_size});
  }
  host.pending = threads_->TryPost([this, name] { LookUp(name); });
  if (host.pending) ++pending_;
  return host.pending;
}

void Resolver::LookUp(const std::string& name) {
  {
    MutexLock lock(mu_);
    // What waits has nobody left to wait for it.
    if (stopping_) return;
  }
  stats_.lookups.fetch_add(1, std::memory_order_relaxed);
  absl::StatusOr<Addresses> found = options_.lookup(name);
  if (!found.ok()) stats_.failures.fetch_add(1, std::memory_order_relaxed);

  MutexLock lock(mu_);
  Host& host = hosts_[name];
  host.pending = false;
  --pending_;
  const absl::Time now = options_.clock->Now();
  if (found.ok()) {
    host.addresses = *found;
    host.fresh_until = now + options_.ttl;
    host.usable_until = now + options_.max_stale;
  }
  for (Question* question : std::exchange(host.questions, {})) {
    question->answer_ = found;
    question->on_answer_();
  }
}

void Resolver::End(Question* question) {
  MutexLock lock(mu_);
  const auto found = hosts_.find(question->host_);
  if (found != hosts_.end()) std::erase(found->second.questions, question);
}

void Resolver::Doubt(const std::string& host) {
  MutexLock lock(mu_);
  const auto found = hosts_.find(host);
  if (found != hosts_.end()) found->second.fresh_until = absl::InfinitePast();
}

size_t Resolver::pending() const {
  MutexLock lock(mu_);
  return pending_;
}

}  // namespace gateway::http
