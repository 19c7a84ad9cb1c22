#ifndef TESTS_FAKES_PROVIDER_SERVICE_H_
#define TESTS_FAKES_PROVIDER_SERVICE_H_

#include <map>
#include <mutex>
#include <string>

#include "tests/fakes/provider/answer.h"
#include "tests/fakes/provider/http.h"
#include "tests/fakes/provider/journal.h"
#include "tests/fakes/provider/openai.h"

namespace fake_provider {

// Decides what a request gets: by path, key and model name. Thread-safe.
class Service {
 public:
  struct Options {
    // If set, requests must carry `Authorization: Bearer <key>`.
    std::string key;
    // The log holds request bodies, not only their digests.
    bool log_bodies = false;
    // Requests that the journal keeps; 0 turns it off.
    size_t keep_records = 100000;
    std::string log_path;
  };

  explicit Service(const Options& options);

  bool ok() const { return journal_.ok(); }
  Journal& journal() { return journal_; }

  // Takes the body out of `request`. Fills `record` for requests that are
  // logged; the caller then completes it and calls Finish().
  Answer Handle(Request* request, long connection, Record* record);

  // Logs the end of a request for which Handle() gave an id.
  void Finish(const Record& record);

 private:
  Answer Control(const Request& request, Framing framing);
  Answer Chat(const Request& request, Framing framing, Record* record);
  bool TakeFault(const std::string& model, int faulty_requests);

  const Options options_;
  Journal journal_;

  std::mutex mu_;
  // Guarded by mu_: requests so far of the model names that count them, and
  // the last request as it came.
  std::map<std::string, int> counts_;
  std::string last_head_;
  std::string last_body_;
};

// Unix seconds.
double NowSeconds();

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_SERVICE_H_
