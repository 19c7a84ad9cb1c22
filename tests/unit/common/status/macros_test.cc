#include "common/status/macros.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gateway {
namespace {

absl::StatusOr<std::unique_ptr<int>> Make(int value) {
  if (value < 0) return absl::OutOfRangeError("negative");
  return std::make_unique<int>(value);
}

absl::StatusOr<int> Sum(int a, int b) {
  ASSIGN_OR_RETURN(const std::unique_ptr<int> left, Make(a));
  std::unique_ptr<int> right;
  ASSIGN_OR_RETURN(right, Make(b));
  return *left + *right;
}

absl::Status Check(absl::Status status, bool& passed) {
  RETURN_IF_ERROR(status);
  passed = true;
  return absl::OkStatus();
}

TEST(MacrosTest, AssignOrReturnMovesTheValueOut) { EXPECT_EQ(*Sum(2, 3), 5); }

TEST(MacrosTest, AssignOrReturnLeavesWithTheStatus) {
  EXPECT_EQ(Sum(-1, 3).status(), absl::OutOfRangeError("negative"));
  EXPECT_EQ(Sum(1, -3).status(), absl::OutOfRangeError("negative"));
}

TEST(MacrosTest, ReturnIfErrorLeavesOnlyOnErrors) {
  bool passed = false;
  EXPECT_EQ(Check(absl::AbortedError("x"), passed), absl::AbortedError("x"));
  EXPECT_FALSE(passed);
  EXPECT_TRUE(Check(absl::OkStatus(), passed).ok());
  EXPECT_TRUE(passed);
}

boost::asio::awaitable<absl::StatusOr<std::unique_ptr<int>>> CoMake(int value) {
  co_return Make(value);
}

boost::asio::awaitable<absl::Status> CoNonZero(int value) {
  co_return value == 0 ? absl::InvalidArgumentError("zero") : absl::OkStatus();
}

boost::asio::awaitable<absl::StatusOr<int>> CoDivide(int a, int b) {
  CO_RETURN_IF_ERROR(co_await CoNonZero(b));
  CO_ASSIGN_OR_RETURN(const auto dividend, co_await CoMake(a));
  co_return *dividend / b;
}

absl::StatusOr<int> RunDivide(int a, int b) {
  absl::StatusOr<int> result = absl::UnknownError("never finished");
  boost::asio::io_context io;
  boost::asio::co_spawn(
      io, CoDivide(a, b),
      [&](std::exception_ptr, absl::StatusOr<int> value) { result = value; });
  io.run();
  return result;
}

TEST(MacrosTest, CoroutineFormsAwaitAndLeave) {
  EXPECT_EQ(*RunDivide(6, 3), 2);
  EXPECT_EQ(RunDivide(6, 0).status(), absl::InvalidArgumentError("zero"));
  EXPECT_EQ(RunDivide(-6, 3).status(), absl::OutOfRangeError("negative"));
}

}  // namespace
}  // namespace gateway
