#ifndef TESTS_BENCH_RESPONSE_H_
#define TESTS_BENCH_RESPONSE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace bench {

// Reads one HTTP/1.1 answer, from bytes cut anywhere, and judges whether it is
// a complete chat answer. Thread-compatible.
class Response {
 public:
  // `streamed`: the answer must be SSE with [DONE], a finish reason and exactly
  // `content_events` events with text (-1: any number).
  Response(bool streamed, int content_events)
      : streamed_(streamed), content_events_(content_events) {}

  // Takes bytes. Nothing of a later answer may follow.
  void Feed(const char* data, size_t size);
  // The connection ended.
  void FeedEnd();

  // The framing says that this was all, or it is broken beyond use.
  bool ended() const { return ended_; }
  // The connection cannot carry another request.
  bool must_close() const { return must_close_; }
  // At least one body byte, or one content event of a stream, has come.
  bool begun() const { return begun_; }
  bool has_bytes() const { return has_bytes_; }
  int status() const { return status_; }
  int events() const { return events_; }

  // Once ended: what is wrong with the answer; empty if it is complete.
  std::string_view Fault() const;

  void Reset();

 private:
  enum class State { kHead, kLength, kChunkSize, kChunkData, kTrailer, kToEnd };

  void ReadHead();
  void ReadChunkSize(std::string_view line);
  // Gives the next whole line of input_, if there is one.
  bool TakeLine(std::string_view* line);
  void Body(std::string_view bytes);
  void EventLine(std::string_view line);
  void Broken(std::string_view fault);

  const bool streamed_;
  const int content_events_;

  State state_ = State::kHead;
  std::string input_;  // not yet consumed, from at_
  size_t at_ = 0;
  std::string text_;  // the body, or the unfinished line of a stream
  size_t remaining_ = 0;
  bool ended_ = false;
  bool must_close_ = false;
  bool begun_ = false;
  bool has_bytes_ = false;
  int status_ = 0;
  int events_ = 0;
  bool finish_ = false;
  bool done_ = false;
  bool error_ = false;
  std::string_view broken_;
};

}  // namespace bench

#endif  // TESTS_BENCH_RESPONSE_H_
