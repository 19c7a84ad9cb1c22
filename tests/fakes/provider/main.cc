// The fake provider as a program; README.md describes it.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/fakes/provider/server.h"

namespace {

constexpr char kUsage[] =
    "usage: fake_provider [--port N] [--threads N] [--log FILE] [--log-bodies]"
    "\n         [--keep N] [--key KEY] [--tls CERT KEY]\n";

// Reads the command line; false if it is wrong.
bool ReadOptions(int argc, char** argv,
                 fake_provider::Server::Options* options) {
  for (int i = 1; i < argc; ++i) {
    const char* flag = argv[i];
    int left = argc - i - 1;
    if (std::strcmp(flag, "--port") == 0 && left >= 1) {
      options->port = std::atoi(argv[++i]);
    } else if (std::strcmp(flag, "--threads") == 0 && left >= 1) {
      options->threads = std::atoi(argv[++i]);
    } else if (std::strcmp(flag, "--log") == 0 && left >= 1) {
      options->service.log_path = argv[++i];
    } else if (std::strcmp(flag, "--log-bodies") == 0) {
      options->service.log_bodies = true;
    } else if (std::strcmp(flag, "--keep") == 0 && left >= 1) {
      options->service.keep_records = std::strtoul(argv[++i], nullptr, 10);
    } else if (std::strcmp(flag, "--key") == 0 && left >= 1) {
      options->service.key = argv[++i];
    } else if (std::strcmp(flag, "--tls") == 0 && left >= 2) {
      options->certificate = argv[++i];
      options->private_key = argv[++i];
    } else {
      return false;
    }
  }
  return options->threads > 0;
}

}  // namespace

int main(int argc, char** argv) {
  fake_provider::Server::Options options;
  if (!ReadOptions(argc, argv, &options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  // Blocked here, before the threads are made, so that only sigwait sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  fake_provider::Server server(options);
  if (!server.Start()) return 1;
  std::printf("listening on 127.0.0.1:%d\n", server.port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  server.Stop();
  return 0;
}
