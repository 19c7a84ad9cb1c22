#ifndef TESTS_FAKES_PROVIDER_JOURNAL_H_
#define TESTS_FAKES_PROVIDER_JOURNAL_H_

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>

namespace fake_provider {

// Everything the log says about one request. README.md lists the fields.
struct Record {
  long id = 0;
  long connection = 0;
  double began = 0;  // Unix seconds
  double ended = 0;
  std::string path;
  std::string model;
  std::string request_id;
  bool stream = false;
  size_t request_bytes = 0;
  std::string body_sha256;
  std::string body;
  int prompt_tokens = 0;
  int completion_tokens = 0;
  int tokens_sent = 0;
  int events_sent = 0;
  size_t bytes_sent = 0;
  bool usage_sent = false;
  int status = 0;
  std::string outcome = "open";
};

std::string ToJson(const Record& record);

// Counters since the start or the last reset. Requests to paths that begin
// with `/_` are not counted.
struct Stats {
  std::atomic<long> requests{0};
  std::atomic<long> tokens_in{0};
  std::atomic<long> tokens_out{0};
  std::atomic<long> client_aborts{0};
  std::atomic<long> connections_total{0};
  std::atomic<long> connections_open{0};
  std::atomic<long> in_flight{0};
};

// The log of requests, in memory and on request in a file. Thread-safe.
class Journal {
 public:
  // Keeps the newest `keep` records; 0 keeps none and writes none. With a
  // `path` each finished request is appended there as one line.
  Journal(size_t keep, const std::string& path);
  ~Journal();

  bool ok() const { return path_.empty() || fd_ >= 0; }
  bool wanted() const { return keep_ > 0; }

  // Gives the record its id and shows it as open.
  void Begin(Record* record);
  // Shows the record as it ended.
  void End(const Record& record);

  // A JSON array, oldest first.
  std::string Json(bool clear);
  void Clear();

  Stats& stats() { return stats_; }
  std::string StatsJson() const;
  void ResetStats();

 private:
  const size_t keep_;
  const std::string path_;
  int fd_ = -1;
  Stats stats_;
  std::atomic<long> next_id_{1};

  std::mutex mu_;
  // Guarded by mu_. Ids in it are consecutive.
  std::deque<Record> records_;
};

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_JOURNAL_H_
