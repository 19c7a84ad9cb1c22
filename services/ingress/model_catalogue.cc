#include "services/ingress/model_catalogue.h"

#include <algorithm>
#include <utility>

#include "common/clients/request_id.h"
#include "common/concurrency/spawn.h"

namespace gateway::ingress {

using model_router::v1::Catalogue;
using model_router::v1::CatalogueModel;

CatalogueSnapshot::CatalogueSnapshot(Catalogue catalogue)
    : catalogue_(std::move(catalogue)) {
  by_name_.reserve(catalogue_.models_size());
  for (const CatalogueModel& model : catalogue_.models()) {
    by_name_.emplace(model.name(), &model);
  }
}

const CatalogueModel* CatalogueSnapshot::Find(absl::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

std::vector<const CatalogueModel*> CatalogueSnapshot::Visible(
    const ApiKey& key) const {
  std::vector<const CatalogueModel*> models;
  for (const CatalogueModel& model : catalogue_.models()) {
    if (key.Allows(model.name())) models.push_back(&model);
  }
  return models;
}

class ModelCatalogue::Follower final : public rpc::Sink<Catalogue> {
 public:
  explicit Follower(ModelCatalogue& catalogue) : catalogue_(catalogue) {}

  Awaitable<absl::Status> Write(Catalogue message) override {
    heard_ = true;
    catalogue_.Set(
        std::make_shared<const CatalogueSnapshot>(std::move(message)));
    co_return absl::OkStatus();
  }

  bool heard() const { return heard_; }

 private:
  ModelCatalogue& catalogue_;
  bool heard_ = false;
};

ModelCatalogue::ModelCatalogue(ModelRouter* router, Clock* clock,
                               ModelCatalogueOptions options)
    : router_(router), clock_(clock), options_(options) {}

std::shared_ptr<const CatalogueSnapshot> ModelCatalogue::snapshot() const {
  MutexLock lock(mu_);
  return snapshot_;
}

bool ModelCatalogue::connected() const {
  MutexLock lock(mu_);
  return connected_;
}

void ModelCatalogue::Set(std::shared_ptr<const CatalogueSnapshot> snapshot) {
  MutexLock lock(mu_);
  snapshot_.swap(snapshot);
  connected_ = true;
}

void ModelCatalogue::Disconnect() {
  MutexLock lock(mu_);
  connected_ = false;
}

Awaitable<void> ModelCatalogue::Run() {
  absl::Duration backoff = options_.min_backoff;
  while (true) {
    model_router::v1::WatchCatalogueRequest request;
    request.mutable_context()->set_request_id(NewRequestId());
    rpc::Call call;
    Follower follower(*this);
    (void)co_await router_->WatchCatalogue(call, request, follower);
    Disconnect();
    bool cancelled = co_await IsCancelled();
    if (cancelled) co_return;
    if (follower.heard()) backoff = options_.min_backoff;
    co_await clock_->SleepFor(backoff);
    cancelled = co_await IsCancelled();
    if (cancelled) co_return;
    backoff = std::min(2 * backoff, options_.max_backoff);
  }
}

}  // namespace gateway::ingress
