// The load generator as a program; README.md describes it.

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/bench/load.h"

namespace {

constexpr char kUsage[] =
    "usage: bench_client --port N --model NAME [--stream] [--events N]\n"
    "         [--connections N] [--seconds S | --requests N] [--timeout S]\n"
    "         [--prompt-bytes N] [--path P] [--key K] [--ramp S] [--hold]\n";

struct Arguments {
  bench::LoadOptions load;
  std::string model;
  size_t prompt_bytes = 100;
  bool hold = false;
};

// Takes one flag with its value; false if it is not known.
bool ReadValue(const char* flag, const char* value, Arguments* out) {
  auto is = [flag](const char* name) { return std::strcmp(flag, name) == 0; };
  bench::LoadOptions& load = out->load;
  if (is("--port")) {
    load.port = std::atoi(value);
  } else if (is("--model")) {
    out->model = value;
  } else if (is("--events")) {
    load.content_events = std::atoi(value);
  } else if (is("--connections")) {
    load.connections = std::atoi(value);
  } else if (is("--seconds")) {
    load.seconds = std::atof(value);
  } else if (is("--requests")) {
    load.requests = std::atol(value);
  } else if (is("--timeout")) {
    load.timeout_s = std::atof(value);
  } else if (is("--ramp")) {
    load.ramp_s = std::atof(value);
  } else if (is("--prompt-bytes")) {
    out->prompt_bytes = std::strtoul(value, nullptr, 10);
  } else if (is("--path")) {
    load.path = value;
  } else if (is("--key")) {
    load.headers = std::string("authorization: Bearer ") + value + "\r\n";
  } else {
    return false;
  }
  return true;
}

bool ReadArguments(int argc, char** argv, Arguments* out) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--stream") == 0) {
      out->load.streamed = true;
    } else if (std::strcmp(argv[i], "--hold") == 0) {
      out->hold = true;
    } else if (i + 1 < argc && ReadValue(argv[i], argv[i + 1], out)) {
      ++i;
    } else {
      return false;
    }
  }
  return out->load.port > 0 && !out->model.empty() && out->load.connections > 0;
}

void WaitForEndOfInput() {
  std::printf("holding\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

void Print(const bench::LoadResult& r) {
  std::string faults;
  for (const auto& fault : r.faults) {
    faults += (faults.empty() ? "\"" : ",\"") + fault.first +
              "\":" + std::to_string(fault.second);
  }
  std::printf(
      "{\"completed\":%ld,\"failed\":%ld,\"faults\":{%s},\"seconds\":%.6f,"
      "\"per_second\":%.2f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
      "\"first_p50_us\":%.1f,\"first_p99_us\":%.1f,\"reconnects\":%ld,"
      "\"client_cpu_seconds\":%.6f}\n",
      r.completed, r.failed(), faults.c_str(), r.seconds,
      static_cast<double>(r.completed) / r.seconds,
      bench::Percentile(r.latency_us, 0.5),
      bench::Percentile(r.latency_us, 0.99), bench::Percentile(r.first_us, 0.5),
      bench::Percentile(r.first_us, 0.99), r.reconnects, r.client_cpu_seconds);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!ReadArguments(argc, argv, &arguments)) {
    std::fputs(kUsage, stderr);
    return 64;
  }
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  arguments.load.body = bench::ChatBody(
      arguments.model, arguments.load.streamed, arguments.prompt_bytes);
  if (arguments.hold) arguments.load.hold = WaitForEndOfInput;
  bench::LoadResult result = bench::RunLoad(arguments.load);
  Print(result);
  return result.failed() == 0 ? 0 : 1;
}
