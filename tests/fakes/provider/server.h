#ifndef TESTS_FAKES_PROVIDER_SERVER_H_
#define TESTS_FAKES_PROVIDER_SERVER_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/fakes/provider/service.h"

namespace fake_provider {

class Worker;

// The fake provider, listening on 127.0.0.1. One epoll loop per thread, each
// with its own listening socket on the same port.
class Server {
 public:
  struct Options {
    int port = 0;  // 0: any free one
    int threads = 1;
    // PEM files; both empty for plain HTTP.
    std::string certificate;
    std::string private_key;
    Service::Options service;
  };

  explicit Server(const Options& options);
  // Stops.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // False, with the reason on stderr, if it cannot listen.
  bool Start();
  // Ends all connections and joins the threads.
  void Stop();

  int port() const { return port_; }
  Service& service() { return service_; }

 private:
  const Options options_;
  Service service_;
  SSL_CTX* tls_ = nullptr;
  int port_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_SERVER_H_
