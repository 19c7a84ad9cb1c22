#ifndef GATEWAY_SERVICES_INGRESS_MODEL_CATALOGUE_H_
#define GATEWAY_SERVICES_INGRESS_MODEL_CATALOGUE_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <memory>
#include <vector>

#include "common/clients/model_router.h"
#include "common/concurrency/awaitable.h"
#include "common/concurrency/mutex.h"
#include "common/time/clock.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/ingress/api_keys.h"

namespace gateway::ingress {

// One state of the catalogue. Immutable.
class CatalogueSnapshot {
 public:
  explicit CatalogueSnapshot(model_router::v1::Catalogue catalogue);

  // Null if there is no such model.
  const model_router::v1::CatalogueModel* Find(absl::string_view name) const;
  // Those that `key` may use, by name.
  std::vector<const model_router::v1::CatalogueModel*> Visible(
      const ApiKey& key) const;

 private:
  model_router::v1::Catalogue catalogue_;
  absl::flat_hash_map<absl::string_view,
                      const model_router::v1::CatalogueModel*>
      by_name_;
};

struct ModelCatalogueOptions {
  // Between two tries to reach model-router: doubles from the first to the
  // second.
  absl::Duration min_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(2);
};

// The catalogue as model-router last told it; kept while that is away.
// Thread-safe.
class ModelCatalogue {
 public:
  // `router` and `clock` outlive it.
  ModelCatalogue(ModelRouter* router, Clock* clock,
                 ModelCatalogueOptions options = {});

  // Null as long as none has come.
  std::shared_ptr<const CatalogueSnapshot> snapshot() const;

  // Whether model-router is heard now.
  bool connected() const;

  // Follows the catalogue until cancelled, reconnecting by itself. One flow.
  Awaitable<void> Run();

 private:
  class Follower;
  void Set(std::shared_ptr<const CatalogueSnapshot> snapshot);
  void Disconnect();

  ModelRouter* const router_;
  Clock* const clock_;
  const ModelCatalogueOptions options_;

  mutable Mutex mu_;
  std::shared_ptr<const CatalogueSnapshot> snapshot_ ABSL_GUARDED_BY(mu_);
  bool connected_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_MODEL_CATALOGUE_H_
