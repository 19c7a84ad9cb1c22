#include "common/process/ops_server.h"

#include <absl/time/clock.h>
#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "common/http/server.h"
#include "common/process/address.h"
#include "common/status/macros.h"

namespace gateway::process {
namespace {

class Pages : public http::Handler {
 public:
  explicit Pages(const OpsPages* pages) : pages_(pages) {}

  Awaitable<void> Handle(http::Request& request,
                         http::ResponseWriter& writer) override {
    const OpsPage page =
        pages_->Get(request.method, request.path(), absl::Now());
    const http::Headers headers{{"content-type", page.content_type},
                                {"cache-control", "no-store"}};
    // A prober that left needs no answer.
    (void)co_await writer.Respond(page.status, headers, page.body);
  }

 private:
  const OpsPages* const pages_;
};

class HttpOpsServer : public OpsServer {
 public:
  explicit HttpOpsServer(const OpsPages* pages) : handler_(pages) {}

  ~HttpOpsServer() override {
    if (server_ != nullptr) server_->CloseAll();
    guard_.reset();
    io_.stop();
    if (thread_.joinable()) thread_.join();
    server_.reset();
  }

  absl::Status Listen(const std::string& text) {
    ASSIGN_OR_RETURN(Address address, ParseAddress(text));
    http::ServerOptions options;
    options.address = address.host;
    options.port = address.port;
    options.max_body_bytes = 0;
    options.max_header_bytes = 16 * 1024;
    options.max_connections = 256;
    ASSIGN_OR_RETURN(server_, http::Server::Create(options, {&io_}, &handler_));
    server_->Start();
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "ops");
      io_.run();
    });
    return absl::OkStatus();
  }

  uint16_t port() const override { return server_->port(); }

 private:
  Pages handler_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      guard_{io_.get_executor()};
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OpsServer>> OpsServer::Start(
    const std::string& address, const OpsPages* pages) {
  auto server = std::make_unique<HttpOpsServer>(pages);
  RETURN_IF_ERROR(server->Listen(address));
  return server;
}

}  // namespace gateway::process
