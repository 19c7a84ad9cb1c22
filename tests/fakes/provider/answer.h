#ifndef TESTS_FAKES_PROVIDER_ANSWER_H_
#define TESTS_FAKES_PROVIDER_ANSWER_H_

#include <cstddef>
#include <string>
#include <vector>

namespace fake_provider {

// Everything one request gets back, rendered before the first byte leaves:
// the server only has to wait and write.
struct Answer {
  // A part of `bytes`, from the end of the slice before to `end`. Slices that
  // wait for nothing are written together.
  struct Slice {
    size_t end = 0;
    // Since the slice before was due.
    int wait_ms = 0;
    int tokens = 0;
    int events = 0;
    // It completes the usage numbers.
    bool usage = false;
    // It gets a write of its own even if it waits for nothing.
    bool own_write = false;
  };
  // What follows the last slice.
  enum class End {
    kKeepAlive,
    kClose,   // FIN
    kReset,   // RST
    kHang,    // nothing until the client leaves
    kRepeat,  // `repeat` every `repeat_ms` until the client leaves
  };

  std::string bytes;
  std::vector<Slice> slices;
  End end = End::kKeepAlive;
  std::string repeat;
  int repeat_ms = 0;

  // For the log: the HTTP status sent (0 if none), what the whole answer counts
  // in tokens, and the outcome if all of it goes out.
  int status = 0;
  int completion_tokens = 0;
  const char* outcome = "complete";

  // Ends the current slice at the end of `bytes`.
  Slice& Mark(int wait_ms = 0) {
    slices.emplace_back();
    slices.back().end = bytes.size();
    slices.back().wait_ms = wait_ms;
    return slices.back();
  }
};

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_ANSWER_H_
