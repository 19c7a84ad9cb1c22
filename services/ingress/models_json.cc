#include "services/ingress/models_json.h"

#include <absl/strings/ascii.h>

#include <boost/json.hpp>

namespace gateway::ingress {
namespace {

using model_router::v1::CatalogueModel;

boost::json::object ToObject(const CatalogueModel& model) {
  return {{"id", model.name()},
          {"object", "model"},
          {"created", model.created()},
          {"owned_by", model.owned_by()}};
}

int HexValue(char c) {
  return absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10;
}

}  // namespace

std::string ModelsJson(const std::vector<const CatalogueModel*>& models) {
  boost::json::array data;
  for (const CatalogueModel* model : models) data.push_back(ToObject(*model));
  return boost::json::serialize(
      boost::json::object{{"object", "list"}, {"data", std::move(data)}});
}

std::string ModelJson(const CatalogueModel& model) {
  return boost::json::serialize(ToObject(model));
}

std::string DecodePath(absl::string_view path) {
  std::string decoded;
  decoded.reserve(path.size());
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && i + 2 < path.size() &&
        absl::ascii_isxdigit(path[i + 1]) &&
        absl::ascii_isxdigit(path[i + 2])) {
      decoded.push_back(static_cast<char>(HexValue(path[i + 1]) << 4 |
                                          HexValue(path[i + 2])));
      i += 2;
    } else {
      decoded.push_back(path[i]);
    }
  }
  return decoded;
}

}  // namespace gateway::ingress
