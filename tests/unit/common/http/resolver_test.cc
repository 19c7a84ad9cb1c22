#include "common/http/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>
#include <string>
#include <vector>

#include "tests/support/fake_clock.h"

namespace gateway::http {
namespace {

using ::testing::ElementsAre;

Addresses Address(const std::string& text) {
  return {boost::asio::ip::make_address(text)};
}

// Lookups wait until the test lets them go.
class ResolverTest : public ::testing::Test {
 protected:
  ResolverTest() {
    options_.clock = &clock_;
    options_.lookup = [this](const std::string& host) { return LookUp(host); };
  }
  ~ResolverTest() override {
    LetAllGo();
    resolver_.reset();
  }

  void Start() { resolver_.emplace(options_); }

  // What becomes of lookups from now on.
  void Answer(absl::StatusOr<Addresses> answer) {
    MutexLock lock(mu_);
    answer_ = std::move(answer);
  }
  void Hold(const std::string& host) {
    MutexLock lock(mu_);
    held_.insert(host);
  }
  void LetAllGo() {
    MutexLock lock(mu_);
    held_.clear();
    changed_.NotifyAll();
  }
  std::vector<std::string> lookups() {
    MutexLock lock(mu_);
    return lookups_;
  }
  void AwaitLookups(size_t count) {
    MutexLock lock(mu_);
    while (lookups_.size() < count) changed_.Wait(mu_);
  }

  // Asks, and waits for the answer.
  absl::StatusOr<Addresses> Resolve(const std::string& host) {
    std::promise<void> answered;
    auto question = resolver_->Ask(host, [&answered] { answered.set_value(); });
    if (!question->Answer()) answered.get_future().wait();
    return *question->Answer();
  }

  FakeClock clock_;
  Resolver::Options options_;
  std::optional<Resolver> resolver_;

 private:
  absl::StatusOr<Addresses> LookUp(const std::string& host) {
    MutexLock lock(mu_);
    lookups_.push_back(host);
    changed_.NotifyAll();
    while (held_.contains(host)) changed_.Wait(mu_);
    return answer_;
  }

  Mutex mu_;
  CondVar changed_;
  absl::StatusOr<Addresses> answer_ = Address("10.0.0.1");
  std::set<std::string> held_;
  std::vector<std::string> lookups_;
};

TEST_F(ResolverTest, AnAnswerHoldsForItsTime) {
  Start();
  EXPECT_EQ(*Resolve("a"), Address("10.0.0.1"));
  Answer(Address("10.0.0.2"));
  clock_.Advance(options_.ttl - absl::Milliseconds(1));
  EXPECT_EQ(*Resolve("a"), Address("10.0.0.1"));
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(*Resolve("a"), Address("10.0.0.2"));
  EXPECT_THAT(lookups(), ElementsAre("a", "a"));
}

TEST_F(ResolverTest, AHostIsLookedUpOnceForAllWhoAsk) {
  Start();
  Hold("a");
  std::promise<void> first_answered;
  auto first =
      resolver_->Ask("a", [&first_answered] { first_answered.set_value(); });
  bool gone_called = false;
  auto gone = resolver_->Ask("a", [&gone_called] { gone_called = true; });
  auto rest = std::async(std::launch::async, [&] { return Resolve("a"); });
  AwaitLookups(1);
  EXPECT_FALSE(first->Answer());
  EXPECT_EQ(resolver_->pending(), 1u);
  gone.reset();
  LetAllGo();
  first_answered.get_future().wait();
  EXPECT_EQ(**first->Answer(), Address("10.0.0.1"));
  EXPECT_TRUE(rest.get().ok());
  EXPECT_FALSE(gone_called);
  EXPECT_EQ(resolver_->stats().lookups, 1u);
  EXPECT_EQ(resolver_->pending(), 0u);
}

TEST_F(ResolverTest, AHostThatHangsHoldsUpNoOther) {
  options_.threads = 2;
  Start();
  Hold("slow");
  auto slow = resolver_->Ask("slow", [] {});
  AwaitLookups(1);
  EXPECT_TRUE(Resolve("fast").ok());
  EXPECT_FALSE(slow->Answer());
}

TEST_F(ResolverTest, TooManyThatWaitAreRefused) {
  options_.threads = 1;
  options_.queue_size = 1;
  Start();
  Hold("a");
  auto running = resolver_->Ask("a", [] {});
  AwaitLookups(1);
  auto waiting = resolver_->Ask("b", [] {});
  auto refused = resolver_->Ask("c", [] {});
  ASSERT_TRUE(refused->Answer());
  EXPECT_TRUE(absl::IsUnavailable(refused->Answer()->status()));
  EXPECT_FALSE(waiting->Answer());
  EXPECT_EQ(resolver_->stats().refused, 1u);
}

TEST_F(ResolverTest, AFailureLeavesTheOlderAnswerToFallBackOn) {
  options_.ttl = absl::Seconds(1);
  options_.max_stale = absl::Seconds(10);
  Start();
  EXPECT_FALSE(resolver_->Ask("a", [] {})->has_stale());
  EXPECT_TRUE(Resolve("a").ok());
  Answer(absl::UnavailableError("no"));
  clock_.Advance(absl::Seconds(5));
  EXPECT_FALSE(Resolve("a").ok());
  auto question = resolver_->Ask("a", [] {});
  ASSERT_TRUE(question->has_stale());
  EXPECT_EQ(question->TakeStale(), Address("10.0.0.1"));
  EXPECT_EQ(resolver_->stats().stale, 1u);
  clock_.Advance(absl::Seconds(5));
  EXPECT_FALSE(resolver_->Ask("a", [] {})->has_stale());
}

TEST_F(ResolverTest, WhatIsDoubtedIsLookedUpAgain) {
  Start();
  EXPECT_TRUE(Resolve("a").ok());
  Answer(Address("10.0.0.2"));
  resolver_->Doubt("a");
  EXPECT_EQ(*Resolve("a"), Address("10.0.0.2"));
}

TEST_F(ResolverTest, RemembersAFewHosts) {
  options_.max_hosts = 2;
  Start();
  for (const char* host : {"a", "b", "c", "a"}) {
    EXPECT_TRUE(Resolve(host).ok());
  }
  EXPECT_THAT(lookups(), ElementsAre("a", "b", "c", "a"));
}

TEST_F(ResolverTest, TheSystemKnowsLocalhost) {
  options_.lookup = nullptr;
  Start();
  const auto found = Resolve("localhost");
  ASSERT_TRUE(found.ok()) << found.status();
  for (const auto& address : *found) EXPECT_TRUE(address.is_loopback());
  EXPECT_FALSE(Resolve("no-such-host.invalid").ok());
}

}  // namespace
}  // namespace gateway::http
