#include <absl/random/random.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_format.h>
#include <absl/strings/string_view.h>
#include <absl/strings/strip.h>

#include "services/batch_aggregator/batch_repository.h"

namespace gateway::batch_aggregator {
namespace {

constexpr absl::string_view kPrefix = "batch_";
constexpr size_t kDigits = 16;

}  // namespace

std::optional<uint64_t> BatchNumber(const std::string& batch_id) {
  absl::string_view digits = batch_id;
  if (!absl::ConsumePrefix(&digits, kPrefix)) return std::nullopt;
  uint64_t number = 0;
  if (digits.size() != 2 * kDigits ||
      !absl::SimpleHexAtoi(digits.substr(0, kDigits), &number)) {
    return std::nullopt;
  }
  return number;
}

std::string BatchIdPrefix(uint64_t number) {
  return absl::StrFormat("%s%016x", kPrefix, number);
}

std::string MakeBatchId(uint64_t number) {
  absl::BitGen random;
  return absl::StrFormat("%s%016x", BatchIdPrefix(number),
                         absl::Uniform<uint64_t>(random));
}

}  // namespace gateway::batch_aggregator
