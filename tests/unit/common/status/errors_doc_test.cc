#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status/error.h"

namespace gateway {
namespace {

std::string Advice(Remedy remedy) {
  switch (remedy) {
    case common::v1::REMEDY_RETRY:
      return "retry";
    case common::v1::REMEDY_CHANGE_REQUEST:
      return "change the request";
    case common::v1::REMEDY_ASK_OPERATOR:
      return "ask the operator";
    default:
      return "";
  }
}

// The first seven cells of each row, as the code has them.
std::vector<std::string> RowsOfCode() {
  std::vector<std::string> rows;
  for (const ReasonInfo& row : AllReasons()) {
    const int64_t delay = absl::ToInt64Seconds(row.retry_delay);
    rows.push_back(absl::StrJoin(
        {absl::StrCat("`", row.reason, "`"), absl::StrCat(row.http_status),
         absl::StrCat("`", row.type, "`"), absl::StatusCodeToString(row.code),
         std::string(FaultName(row.fault)), Advice(row.remedy),
         delay == 0 ? std::string("-") : absl::StrCat(delay, " s")},
        " | "));
  }
  return rows;
}

std::vector<std::string> RowsOfPage() {
  std::ifstream file(GATEWAY_SOURCE_DIR "/docs/errors.md");
  std::vector<std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (!absl::StartsWith(line, "| `")) continue;
    std::vector<std::string> cells = absl::StrSplit(line, " | ");
    EXPECT_EQ(cells.size(), 8u) << line;
    EXPECT_GT(cells.back().size(), 5u) << "no meaning: " << line;
    cells.pop_back();
    cells.front() = std::string(absl::StripPrefix(cells.front(), "| "));
    rows.push_back(absl::StrJoin(cells, " | "));
  }
  return rows;
}

TEST(ErrorsPageTest, ListsExactlyTheReasonsOfTheCode) {
  EXPECT_EQ(RowsOfPage(), RowsOfCode());
}

}  // namespace
}  // namespace gateway
