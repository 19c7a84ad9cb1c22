#ifndef GATEWAY_TESTS_UNIT_COMMON_DIALECT_JSON_NORMAL_H_
#define GATEWAY_TESTS_UNIT_COMMON_DIALECT_JSON_NORMAL_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gateway::dialect {

// `text` as JSON in one spelling, by another library than the one under test:
// members sorted, numbers by value, null members gone. "not JSON" if it is
// none.
std::string NormalJson(absl::string_view text);

// The file of that name in tests/testdata/openai_chat, and its lines.
std::string Testdata(absl::string_view name);
std::vector<std::string> TestdataLines(absl::string_view name);

}  // namespace gateway::dialect

#endif  // GATEWAY_TESTS_UNIT_COMMON_DIALECT_JSON_NORMAL_H_
