#include "tests/fakes/provider/server.h"

#include <csignal>
#include <cstdio>

#include "tests/fakes/provider/socket.h"
#include "tests/fakes/provider/worker.h"

namespace fake_provider {

Server::Server(const Options& options)
    : options_(options), service_(options.service) {}

Server::~Server() {
  Stop();
  SSL_CTX_free(tls_);
}

bool Server::Start() {
  // OpenSSL writes to sockets without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  if (!service_.ok()) {
    std::fprintf(stderr, "cannot open the log file\n");
    return false;
  }
  if (!options_.certificate.empty()) {
    tls_ = MakeServerTls(options_.certificate.c_str(),
                         options_.private_key.c_str());
    if (tls_ == nullptr) return false;
  }
  port_ = options_.port;
  for (int i = 0; i < options_.threads; ++i) {
    int fd = Listen(port_);
    if (fd < 0) return false;
    port_ = PortOf(fd);
    workers_.push_back(std::make_unique<Worker>(fd, tls_, &service_));
  }
  for (auto& worker : workers_) {
    threads_.emplace_back([&worker] { worker->Run(); });
  }
  return true;
}

void Server::Stop() {
  for (auto& worker : workers_) worker->Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  workers_.clear();
}

}  // namespace fake_provider
