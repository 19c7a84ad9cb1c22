#include "common/config/secret.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "common/status/macros.h"

namespace gateway::config {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(absl::StrCat("cannot read the file ", path));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

absl::StatusOr<std::string> ReadVariable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("the environment variable ", name, " is not set"));
  }
  return std::string(value);
}

}  // namespace

absl::StatusOr<std::string> ReadSecret(const v1::Secret& reference) {
  std::string value;
  if (reference.has_file()) {
    ASSIGN_OR_RETURN(value, ReadFile(reference.file()));
  } else if (reference.has_env()) {
    ASSIGN_OR_RETURN(value, ReadVariable(reference.env()));
  } else {
    return absl::InvalidArgumentError("a secret needs `file` or `env`");
  }
  const std::string place =
      reference.has_file() ? reference.file() : reference.env();
  if (!value.empty() && value.back() == '\n') value.pop_back();
  if (!value.empty() && value.back() == '\r') value.pop_back();
  if (value.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the secret in ", place, " is empty"));
  }
  if (std::any_of(value.begin(), value.end(),
                  [](unsigned char c) { return absl::ascii_iscntrl(c); })) {
    return absl::FailedPreconditionError(
        absl::StrCat("the secret in ", place, " holds control characters"));
  }
  return value;
}

}  // namespace gateway::config
