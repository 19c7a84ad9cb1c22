#include "common/config/secret.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace gateway::config {
namespace {

v1::Secret FileWith(const std::string& content) {
  static int count = 0;
  const std::string path = testing::TempDir() + "secret_test_" +
                           std::to_string(getpid()) + "_" +
                           std::to_string(count++);
  std::ofstream(path, std::ios::binary) << content;
  v1::Secret secret;
  secret.set_file(path);
  return secret;
}

v1::Secret Variable(const std::string& name) {
  v1::Secret secret;
  secret.set_env(name);
  return secret;
}

TEST(SecretTest, ReadsAFileWithoutItsLastNewline) {
  EXPECT_EQ(*ReadSecret(FileWith("sk-1\n")), "sk-1");
  EXPECT_EQ(*ReadSecret(FileWith("sk-1\r\n")), "sk-1");
  EXPECT_EQ(*ReadSecret(FileWith("sk-1")), "sk-1");
}

TEST(SecretTest, ReadsAVariable) {
  setenv("SECRET_TEST_KEY", "sk-2", 1);
  EXPECT_EQ(*ReadSecret(Variable("SECRET_TEST_KEY")), "sk-2");
}

TEST(SecretTest, NamesThePlaceAndNeverTheValue) {
  const auto missing = ReadSecret(Variable("SECRET_TEST_UNSET")).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(missing.message().find("SECRET_TEST_UNSET"), std::string::npos);

  v1::Secret absent;
  absent.set_file("/nonexistent/key");
  EXPECT_EQ(ReadSecret(absent).status().code(), absl::StatusCode::kNotFound);

  const auto broken = ReadSecret(FileWith("sk-3\nsk-4\n")).status();
  EXPECT_EQ(broken.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(broken.message().find("sk-3"), std::string::npos);

  EXPECT_EQ(ReadSecret(FileWith("\n")).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadSecret(v1::Secret()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace gateway::config
