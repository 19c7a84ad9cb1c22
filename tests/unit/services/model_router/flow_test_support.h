#ifndef GATEWAY_TESTS_UNIT_SERVICES_MODEL_ROUTER_FLOW_TEST_SUPPORT_H_
#define GATEWAY_TESTS_UNIT_SERVICES_MODEL_ROUTER_FLOW_TEST_SUPPORT_H_

#include <absl/status/status.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/concurrency/spawn.h"
#include "common/rpc/call.h"

namespace gateway::model_router {

template <class Message>
Message ParseText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message))
      << text;
  return message;
}

// A directory of its own, gone with the test.
class TempDir {
 public:
  TempDir() {
    std::string path =
        (std::filesystem::temp_directory_path() / "model_router_test_XXXXXX")
            .string();
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    path_ = path;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One flow that a test starts, lets run as far as it goes, and may cancel.
template <class T>
class TestFlow {
 public:
  TestFlow(boost::asio::io_context& io, Awaitable<T> flow) : io_(io) {
    Spawn(io.get_executor(), Keep(std::move(flow), result_), cancel_.slot(),
          [this] { ended_ = true; });
    Poll();
  }
  ~TestFlow() {
    if (!ended_) Cancel();
    EXPECT_TRUE(ended_) << "a flow did not end when it was cancelled";
  }

  // Until everybody waits.
  void Poll() {
    io_.restart();
    io_.poll();
  }
  void Cancel() {
    cancel_.emit(boost::asio::cancellation_type::terminal);
    Poll();
  }
  bool ended() const { return ended_; }
  // Precondition: ended().
  const T& result() const { return *result_; }

 private:
  static Awaitable<void> Keep(Awaitable<T> flow, std::optional<T>& result) {
    result = co_await std::move(flow);
  }

  boost::asio::io_context& io_;
  boost::asio::cancellation_signal cancel_;
  std::optional<T> result_;
  bool ended_ = false;
};

// Keeps what is written to it.
template <class T>
class KeepingSink final : public rpc::Sink<T> {
 public:
  Awaitable<absl::Status> Write(T message) override {
    if (!error.ok()) co_return error;
    messages.push_back(std::move(message));
    co_return absl::OkStatus();
  }

  std::vector<T> messages;
  // What writing returns from now on.
  absl::Status error;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_TESTS_UNIT_SERVICES_MODEL_ROUTER_FLOW_TEST_SUPPORT_H_
