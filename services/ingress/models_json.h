#ifndef GATEWAY_SERVICES_INGRESS_MODELS_JSON_H_
#define GATEWAY_SERVICES_INGRESS_MODELS_JSON_H_

#include <absl/strings/string_view.h>

#include <string>
#include <vector>

#include "gateway/model_router/v1/model_router.pb.h"

// GET /v1/models and GET /v1/models/{id} in OpenAI's form.
namespace gateway::ingress {

std::string ModelsJson(
    const std::vector<const model_router::v1::CatalogueModel*>& models);
std::string ModelJson(const model_router::v1::CatalogueModel& model);

// `%2F` and its like become the bytes they stand for; a `%` that begins no
// escape stays.
std::string DecodePath(absl::string_view path);

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_MODELS_JSON_H_
