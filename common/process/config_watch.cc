#include "common/process/config_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <filesystem>

namespace gateway::process {
namespace {

// What a volume of Kubernetes swaps when its content changes.
constexpr char kSwapped[] = "..data";

}  // namespace

ConfigWatch::ConfigWatch(const std::vector<std::string>& files)
    : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), names_{kSwapped} {
  for (const std::string& file : files) {
    const std::filesystem::path path(file);
    names_.insert(path.filename().string());
    const std::string folder =
        path.has_parent_path() ? path.parent_path().string() : ".";
    inotify_add_watch(fd_, folder.c_str(),
                      IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE);
  }
}

ConfigWatch::~ConfigWatch() { close(fd_); }

bool ConfigWatch::TakeChange() {
  bool changed = false;
  alignas(inotify_event) char bytes[4096];
  ssize_t count;
  while ((count = read(fd_, bytes, sizeof(bytes))) > 0) {
    for (char* at = bytes; at < bytes + count;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      // An overflow may have lost what we wait for.
      if ((event->mask & IN_Q_OVERFLOW) != 0 ||
          (event->len > 0 && names_.contains(event->name))) {
        changed = true;
      }
      at += sizeof(inotify_event) + event->len;
    }
  }
  return changed;
}

}  // namespace gateway::process
