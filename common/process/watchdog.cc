#include "common/process/watchdog.h"

#include <absl/strings/str_cat.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "common/log/log.h"

namespace gateway::process {

std::vector<WatchedLoop> LoopsOf(IoPool& io) {
  std::vector<WatchedLoop> loops;
  for (size_t i = 0; i < io.size(); ++i) {
    boost::asio::io_context& lane = io.At(i);
    loops.push_back(
        {absl::StrCat("io-", i), [&lane](std::function<void()> beat) {
           boost::asio::post(lane, std::move(beat));
         }});
  }
  return loops;
}

Watchdog::Watchdog(std::vector<WatchedLoop> loops, absl::Duration limit)
    : limit_(limit) {
  for (WatchedLoop& loop : loops) {
    beats_.push_back({std::move(loop),
                      std::make_shared<std::atomic<bool>>(true),
                      absl::InfinitePast()});
  }
}

void Watchdog::Look(absl::Time now, const std::vector<Busy>& busy) {
  MutexLock lock(mu_);
  std::vector<std::string> stuck;
  for (Beat& beat : beats_) {
    if (beat.answered->load(std::memory_order_relaxed)) {
      beat.answered->store(false, std::memory_order_relaxed);
      beat.sent = now;
      beat.loop.post([answered = beat.answered] {
        answered->store(true, std::memory_order_relaxed);
      });
    } else if (now - beat.sent >= limit_) {
      stuck.push_back(beat.loop.name);
    }
  }
  for (const Busy& job : busy) {
    if (job.time >= limit_) stuck.push_back(job.loop);
  }
  if (stuck.size() > stuck_.size()) {
    LOG_ERROR("process", "a worker loop is stuck",
              {{"loop", stuck.back()}, {"loops", stuck.size()}});
  }
  stuck_ = std::move(stuck);
}

std::vector<std::string> Watchdog::Stuck() const {
  MutexLock lock(mu_);
  return stuck_;
}

}  // namespace gateway::process
