#include "tests/unit/common/dialect/json_normal.h"

#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace gateway::dialect {
namespace {

void Write(const boost::json::value& value, std::string* out) {
  if (value.is_object()) {
    std::map<std::string, const boost::json::value*> sorted;
    for (const auto& member : value.get_object()) {
      if (member.value().is_null()) continue;
      sorted[std::string(member.key())] = &member.value();
    }
    out->push_back('{');
    for (const auto& [key, member] : sorted) {
      if (out->back() != '{') out->push_back(',');
      absl::StrAppend(out, boost::json::serialize(boost::json::value(key)),
                      ":");
      Write(*member, out);
    }
    out->push_back('}');
  } else if (value.is_array()) {
    out->push_back('[');
    for (const auto& element : value.get_array()) {
      if (out->back() != '[') out->push_back(',');
      Write(element, out);
    }
    out->push_back(']');
  } else if (value.is_double()) {
    const double number = value.get_double();
    if (number == std::floor(number) && std::abs(number) < 1e15) {
      absl::StrAppend(out, static_cast<int64_t>(number));
    } else {
      absl::StrAppend(out, absl::StrFormat("%.17g", number));
    }
  } else {
    absl::StrAppend(out, boost::json::serialize(value));
  }
}

}  // namespace

std::string NormalJson(absl::string_view text) {
  boost::json::error_code error;
  const boost::json::value value =
      boost::json::parse({text.data(), text.size()}, error);
  if (error) return absl::StrCat("not JSON: ", text);
  std::string normal;
  Write(value, &normal);
  return normal;
}

std::string Testdata(absl::string_view name) {
  std::ifstream file(
      absl::StrCat(GATEWAY_SOURCE_DIR, "/tests/testdata/openai_chat/", name));
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}

std::vector<std::string> TestdataLines(absl::string_view name) {
  return absl::StrSplit(Testdata(name), '\n', absl::SkipEmpty());
}

}  // namespace gateway::dialect
