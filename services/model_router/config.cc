#include "services/model_router/config.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "common/config/secret.h"
#include "common/http/client.h"
#include "common/time/duration.h"

namespace gateway::model_router {
namespace {

constexpr int64_t kMinSpoolBytes = 1 << 20;

// The keys of the providers, by their index.
std::vector<std::string> ReadKeys(const config::v1::Config& config,
                                  const Catalogue& catalogue,
                                  process::Faults& faults) {
  std::vector<std::string> keys(catalogue.providers().size());
  for (const auto& provider : catalogue.providers()) {
    if (provider->key.empty()) continue;
    const auto key =
        config::ReadSecret(config.providers().at(provider->name).key());
    if (key.ok()) {
      keys[provider->index] = *key;
    } else {
      faults.Add(absl::StrCat("providers.", provider->name, ".key"),
                 key.status().message());
    }
  }
  return keys;
}

// What the start would find out too late for `check`.
void CheckAuthorities(const Catalogue& catalogue, process::Faults& faults) {
  for (const auto& provider : catalogue.providers()) {
    if (provider->ca_file.empty()) continue;
    const auto trust = http::TlsTrust::Create(provider->ca_file);
    if (trust.ok()) continue;
    faults.Add(absl::StrCat("providers.", provider->name, ".caFile"),
               trust.status().message());
  }
}

}  // namespace

absl::StatusOr<Options> ReadOptions(const config::v1::Config& config) {
  process::Faults faults;
  Options options;
  auto service = process::ReadServiceOptions(config, "model-router");
  faults.Add(service.status());
  if (service.ok()) options.service = *std::move(service);

  auto catalogue = Catalogue::FromConfig(config);
  faults.Add(catalogue.status());
  if (catalogue.ok()) {
    options.catalogue = *std::move(catalogue);
    options.keys = ReadKeys(config, *options.catalogue, faults);
    CheckAuthorities(*options.catalogue, faults);
  }

  options.coalesce = ToDuration(config.stream().coalesce());
  if (options.coalesce < absl::ZeroDuration() ||
      options.coalesce > absl::Seconds(1)) {
    faults.Add("stream.coalesce", "from 0 to 1s");
  }

  options.spool.directory =
      absl::StrCat(options.service.data_dir, "/usage_spool");
  if (config.usage().has_spool_bytes()) {
    options.spool.max_bytes = config.usage().spool_bytes();
    if (options.spool.max_bytes < kMinSpoolBytes) {
      faults.Add("usage.spoolBytes", "1MiB or more");
    }
  }
  options.spool.drop_when_full =
      config.usage().when_full() == config::v1::WHEN_FULL_DROP;
  options.collector_target = process::TargetOf(config, "metrics-collector");

  absl::Status status = faults.ToStatus();
  if (!status.ok()) return status;
  return options;
}

}  // namespace gateway::model_router
