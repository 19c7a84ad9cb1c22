#ifndef GATEWAY_TESTS_SUPPORT_LOG_CAPTURE_H_
#define GATEWAY_TESTS_SUPPORT_LOG_CAPTURE_H_

#include <string>
#include <vector>

#include "common/concurrency/mutex.h"
#include "common/log/log.h"

namespace gateway {

// Keeps the lines logged while it lives, in place of stderr. Thread-safe; one
// at a time.
class LogCapture {
 public:
  LogCapture() {
    log::SetWriter([this](absl::string_view line) {
      MutexLock lock(mu_);
      lines_.emplace_back(line);
    });
  }
  ~LogCapture() { log::SetWriter(nullptr); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  std::vector<std::string> Lines() const {
    MutexLock lock(mu_);
    return lines_;
  }

 private:
  mutable Mutex mu_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_SUPPORT_LOG_CAPTURE_H_
