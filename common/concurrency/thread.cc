#include "common/concurrency/thread.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace gateway {

void SetThreadName(absl::string_view name) {
  pthread_setname_np(pthread_self(), std::string(name.substr(0, 15)).c_str());
}

std::jthread StartThread(std::string name, std::function<void()> body) {
  // A thread inherits the mask, so it never runs without it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::jthread thread([name = std::move(name), body = std::move(body)] {
    SetThreadName(name);
    body();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace gateway
