#ifndef TESTS_FAKES_PROVIDER_WORKER_H_
#define TESTS_FAKES_PROVIDER_WORKER_H_

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/fakes/provider/service.h"
#include "tests/fakes/provider/socket.h"

namespace fake_provider {

// One epoll loop with its connections and timers. Connections are registered
// once, edge-triggered: what is not read while an answer goes out is read when
// it is done, and EPOLLRDHUP alone tells that the client left.
class Worker {
 public:
  // Owns `listen_fd`; `service` and `tls` (may be null) must outlive it.
  Worker(int listen_fd, SSL_CTX* tls, Service* service);
  ~Worker();

  // Serves until Stop(), which any thread may call.
  void Run();
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection;
  using Timers = std::multimap<Clock::time_point, Connection*>;

  void Accept();
  void OnEvent(Connection* c, unsigned events);
  void FireTimers();
  int EpollTimeout() const;

  // Makes all progress that is possible now; may destroy `c`.
  void Drive(Connection* c);
  // Reads until a request is whole and has its answer. False if there is none
  // yet, or `c` is gone.
  bool TakeRequest(Connection* c);
  // Writes what is due. False if something is left, or `c` is gone.
  bool SendAnswer(Connection* c);
  bool SendSlices(Connection* c);
  bool WaitForSlice(Connection* c);
  bool EndAnswer(Connection* c);
  void RefuseBadRequest(Connection* c);

  void CountSlices(Connection* c, size_t end);
  void LogEnd(Connection* c, const char* outcome);
  void ClientGone(Connection* c);
  void Close(Connection* c);
  void Arm(Connection* c, Clock::time_point at);
  void Disarm(Connection* c);

  const int listen_fd_;
  SSL_CTX* const tls_;
  Service* const service_;
  const int epoll_fd_;
  const int wake_fd_;
  std::atomic<bool> stopping_{false};
  std::vector<char> buffer_;
  Timers timers_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
};

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_WORKER_H_
