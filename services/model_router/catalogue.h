#ifndef GATEWAY_SERVICES_MODEL_ROUTER_CATALOGUE_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_CATALOGUE_H_

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/dialect/authority.h"
#include "gateway/config/v1/config.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/model_router/pricing.h"

// What can be asked of whom: the models that clients name, and the providers
// that answer for them.
namespace gateway::model_router {

enum class Dialect { kOpenAiChat, kMock };

// Where a secret stands. At most one is set; none: there is no secret.
struct SecretSource {
  std::string file;
  std::string env;

  bool empty() const { return file.empty() && env.empty(); }
};

struct Provider {
  std::string name;
  Dialect dialect = Dialect::kOpenAiChat;
  // Without a slash at its end. Empty for mock.
  std::string base_url;
  SecretSource key;
  // Empty: the system's certificate authorities.
  std::string ca_file;
  // Of each io thread.
  int max_idle_connections = 64;
  int max_connections = 1024;
  // How its server spells what servers spell differently. No reasoning field:
  // none is sent.
  std::string max_tokens_field = "max_completion_tokens";
  std::string reasoning_field;
  bool developer_as_system = false;
  // Only of mock.
  absl::Duration token_interval;
  absl::Duration first_token_delay;
  // Dense over the catalogue.
  size_t index = 0;
};

// The limits of an attempt; what each covers stands in docs of the config.
struct Timeouts {
  absl::Duration connect = absl::Seconds(2);
  absl::Duration headers = absl::Seconds(30);
  absl::Duration first_token = absl::Seconds(60);
  absl::Duration first_token_with_fallback = absl::Seconds(10);
  absl::Duration silence = absl::Seconds(20);
  absl::Duration total = absl::Seconds(600);
};

struct Model;

// A provider's model. Belongs to one row of the catalogue, whose limits it has.
struct Target {
  // `provider/model`, as logs, receipts and sessions name it.
  std::string id;
  const Provider* provider = nullptr;
  // As the provider calls it.
  std::string model;
  // Its share of first attempts; 0: only after the others.
  int64_t weight = 1;
  Price price;
  const Model* row = nullptr;
  // Dense over the catalogue: for tables of handles.
  size_t index = 0;
};

struct Model {
  std::string name;
  // At least one.
  std::vector<Target> targets;
  // The targets of the fallback model, tried when all others have failed.
  // Empty for the fallback model itself.
  const std::vector<Target>* fallback = nullptr;
  // 0: not known.
  int64_t context_tokens = 0;
  int64_t max_output_tokens = 0;
  std::string owned_by;
  int64_t created = 0;
  Timeouts timeouts;
  // What a request may ask of the provider beyond an answer.
  dialect::AuthorityPolicy allow;
};

// Immutable.
class Catalogue {
 public:
  // INVALID_ARGUMENT names every fault, a line each, as `key: what is wrong`.
  static absl::StatusOr<std::shared_ptr<const Catalogue>> FromConfig(
      const config::v1::Config& config);

  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  // Null if there is none of this name.
  const Model* Find(absl::string_view name) const;

  // Sorted by name.
  const std::vector<std::unique_ptr<Provider>>& providers() const {
    return providers_;
  }
  const std::vector<std::unique_ptr<Model>>& models() const { return models_; }
  // Targets are numbered from 0 to this.
  size_t target_count() const { return target_count_; }

  // As clients see it, but for its version.
  const v1::Catalogue& snapshot() const { return snapshot_; }

 private:
  friend class CatalogueReader;
  Catalogue() = default;

  void Index(const Model* fallback);

  std::vector<std::unique_ptr<Provider>> providers_;
  std::vector<std::unique_ptr<Model>> models_;
  absl::flat_hash_map<absl::string_view, const Model*> by_name_;
  size_t target_count_ = 0;
  v1::Catalogue snapshot_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_CATALOGUE_H_
