#ifndef GATEWAY_COMMON_PROCESS_PAGE_SERVER_H_
#define GATEWAY_COMMON_PROCESS_PAGE_SERVER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/concurrency/awaitable.h"
#include "common/http/message.h"
#include "common/process/address.h"

namespace gateway::process {

// What a page of the ops or the admin port answers.
struct Page {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  // With 405: the methods that the page takes.
  std::string allow = {};
};

// Serves pages over HTTP on a thread of its own, so that a busy service never
// delays them.
class PageServer {
 public:
  // Called on that thread; the request outlives the answer.
  using Handler = std::function<Awaitable<Page>(const http::Request& request)>;

  // `name` is the thread's. UNAVAILABLE if it cannot listen there.
  static absl::StatusOr<std::unique_ptr<PageServer>> Start(
      const std::string& name, const Address& address, Handler handler);
  virtual ~PageServer() = default;
  virtual uint16_t port() const = 0;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_PAGE_SERVER_H_
