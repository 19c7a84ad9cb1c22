#ifndef GATEWAY_COMMON_PROCESS_CONFIG_WATCH_H_
#define GATEWAY_COMMON_PROCESS_CONFIG_WATCH_H_

#include <set>
#include <string>
#include <vector>

namespace gateway::process {

// Notices that files have changed: written, replaced, or seen through another
// link. It watches their directories, since a file that is replaced takes its
// own watch with it; of Kubernetes' volumes it sees the swap of `..data`.
// Thread-compatible.
class ConfigWatch {
 public:
  // What cannot be watched never changes.
  explicit ConfigWatch(const std::vector<std::string>& files);
  ~ConfigWatch();
  ConfigWatch(const ConfigWatch&) = delete;
  ConfigWatch& operator=(const ConfigWatch&) = delete;

  // Readable when something may have changed.
  int fd() const { return fd_; }

  // Whether one of the files has, since the last call. Never blocks.
  bool TakeChange();

 private:
  const int fd_;
  std::set<std::string> names_;  // in the directories
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_CONFIG_WATCH_H_
