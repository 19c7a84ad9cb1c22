#ifndef GATEWAY_COMMON_CONCURRENCY_THREAD_H_
#define GATEWAY_COMMON_CONCURRENCY_THREAD_H_

#include <functional>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"

namespace gateway {

// Names the calling thread, as top and gdb show it. Cut to 15 bytes.
void SetThreadName(absl::string_view name);

// A thread with a name, which takes no signals: those are the main thread's.
// Joined on destruction.
std::jthread StartThread(std::string name, std::function<void()> body);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_THREAD_H_
