#include "common/process/page_server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>
#include <utility>

#include "common/concurrency/thread.h"
#include "common/http/server.h"
#include "common/status/macros.h"

namespace gateway::process {
namespace {

class Pages : public http::Handler {
 public:
  explicit Pages(PageServer::Handler handler) : handler_(std::move(handler)) {}

  Awaitable<void> Handle(http::Request& request,
                         http::ResponseWriter& writer) override {
    const Page page = co_await handler_(request);
    http::Headers headers{{"content-type", page.content_type},
                          {"cache-control", "no-store"}};
    if (!page.allow.empty()) headers.Add("allow", page.allow);
    // A caller that left needs no answer.
    (void)co_await writer.Respond(page.status, headers, page.body);
  }

 private:
  const PageServer::Handler handler_;
};

class HttpPageServer : public PageServer {
 public:
  explicit HttpPageServer(Handler handler) : handler_(std::move(handler)) {}

  ~HttpPageServer() override {
    if (server_ != nullptr) server_->CloseAll();
    guard_.reset();
    io_.stop();
    if (thread_.joinable()) thread_.join();
    server_.reset();
  }

  absl::Status Listen(const std::string& name, const Address& address) {
    http::ServerOptions options;
    options.address = address.host;
    options.port = address.port;
    options.max_body_bytes = 0;
    options.max_header_bytes = 16 * 1024;
    options.max_connections = 256;
    ASSIGN_OR_RETURN(server_, http::Server::Create(options, {&io_}, &handler_));
    server_->Start();
    thread_ = StartThread(name, [this] { io_.run(); });
    return absl::OkStatus();
  }

  uint16_t port() const override { return server_->port(); }

 private:
  Pages handler_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      guard_{io_.get_executor()};
  std::unique_ptr<http::Server> server_;
  std::jthread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PageServer>> PageServer::Start(
    const std::string& name, const Address& address, Handler handler) {
  auto server = std::make_unique<HttpPageServer>(std::move(handler));
  RETURN_IF_ERROR(server->Listen(name, address));
  return server;
}

}  // namespace gateway::process
