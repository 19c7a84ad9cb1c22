#ifndef TESTS_BENCH_LOAD_H_
#define TESTS_BENCH_LOAD_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace bench {

// A closed loop: each connection sends a request, reads the answer, and sends
// the next. To 127.0.0.1 only.
struct LoadOptions {
  int port = 0;
  std::string path = "/v1/chat/completions";
  // Whole header lines, each with its CRLF.
  std::string headers;
  std::string body;
  bool streamed = false;
  // Content events that a stream must have; -1: any number.
  int content_events = -1;
  int connections = 1;
  // The connections begin one by one, spread over so many seconds, so that
  // paced streams do not all speak at once.
  double ramp_s = 0;
  // Ends after so many seconds, or requests if that is > 0: what is in flight
  // then still counts.
  double seconds = 5;
  long requests = 0;
  // A request that takes longer has failed.
  double timeout_s = 30;
  // Opens one stream on each connection, and when all have begun calls this;
  // it returns when the streams may go. Not counted as failures.
  std::function<void()> hold;
};

struct LoadResult {
  long completed = 0;
  // Answers that are not complete, by what is wrong with them.
  std::map<std::string, long> faults;
  double seconds = 0;
  // CPU that the client itself used.
  double client_cpu_seconds = 0;
  // Connections opened again because the server closed one.
  long reconnects = 0;
  // Of complete answers, in microseconds: to the end, and to the first body
  // byte (of a stream: the first event with text). Sorted.
  std::vector<float> latency_us;
  std::vector<float> first_us;

  long failed() const;
};

LoadResult RunLoad(const LoadOptions& options);

// Of sorted values; 0 if there are none.
double Percentile(const std::vector<float>& sorted, double fraction);

// The body of a chat request whose prompt has about `prompt_bytes` bytes.
std::string ChatBody(const std::string& model, bool streamed,
                     size_t prompt_bytes);

}  // namespace bench

#endif  // TESTS_BENCH_LOAD_H_
