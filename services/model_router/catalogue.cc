#include "services/model_router/catalogue.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/strip.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "common/status/error.h"
#include "common/time/duration.h"

namespace gateway::model_router {
namespace {

constexpr char kMock[] = "mock";
constexpr int64_t kMaxWeight = 1'000'000;

bool IsProviderName(absl::string_view name) {
  if (name.empty() || name[0] == '_' || name[0] == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// Protobuf maps have no order; messages and faults should.
template <class Map>
auto Sorted(const Map& map) {
  std::map<std::string, const typename Map::mapped_type*> sorted;
  for (const auto& [key, value] : map) sorted.emplace(key, &value);
  return sorted;
}

Price ToPrice(const config::v1::Price& row) {
  Price price;
  if (row.has_input()) price.input = row.input();
  if (row.has_output()) price.output = row.output();
  if (row.has_cache_read()) price.cache_read = row.cache_read();
  if (row.has_cache_write_5m()) price.cache_write_5m = row.cache_write_5m();
  if (row.has_cache_write_1h()) price.cache_write_1h = row.cache_write_1h();
  if (row.has_reasoning()) price.reasoning = row.reasoning();
  if (row.has_audio_input()) price.audio_input = row.audio_input();
  if (row.has_audio_output()) price.audio_output = row.audio_output();
  return price;
}

}  // namespace

// Reads the config's providers, models and routing, and gathers the faults.
class CatalogueReader {
 public:
  absl::StatusOr<std::shared_ptr<const Catalogue>> Read(
      const config::v1::Config& config) {
    for (const auto& [name, row] : Sorted(config.providers())) {
      ReadProvider(name, *row);
    }
    if (config.models().empty()) {
      AddMockModel();
    } else {
      if (config.providers().empty()) MockProvider();
      for (const auto& [name, row] : Sorted(config.models())) {
        ReadModel(name, *row);
      }
    }
    const Model* fallback = nullptr;
    const std::string& fallback_name = config.routing().fallback_model();
    if (!fallback_name.empty()) {
      for (const auto& model : catalogue_->models_) {
        if (model->name == fallback_name) fallback = model.get();
      }
      if (fallback == nullptr) {
        Fault("routing.fallbackModel",
              absl::StrCat("`", fallback_name, "` is not among the models"));
      }
    }
    if (!faults_.empty()) {
      return static_cast<absl::Status>(
          MakeError(reason::kInvalidValue, absl::StrJoin(faults_, "\n")));
    }
    catalogue_->Index(fallback);
    return std::shared_ptr<const Catalogue>(std::move(catalogue_));
  }

 private:
  void Fault(absl::string_view key, absl::string_view what) {
    faults_.push_back(absl::StrCat(key, ": ", what));
  }

  const Provider* FindProvider(absl::string_view name) const {
    for (const auto& provider : catalogue_->providers_) {
      if (provider->name == name) return provider.get();
    }
    return nullptr;
  }

  const Provider* MockProvider() {
    if (const Provider* known = FindProvider(kMock)) return known;
    auto provider = std::make_unique<Provider>();
    provider->name = kMock;
    provider->dialect = Dialect::kMock;
    catalogue_->providers_.push_back(std::move(provider));
    return catalogue_->providers_.back().get();
  }

  void AddMockModel() {
    auto model = std::make_unique<Model>();
    model->name = kMock;
    model->owned_by = kMock;
    Target target;
    target.provider = MockProvider();
    target.model = kMock;
    model->targets.push_back(std::move(target));
    catalogue_->models_.push_back(std::move(model));
  }

  // `value` must be above 0 if given.
  void ReadPositive(const std::string& key, bool given,
                    const google::protobuf::Duration& value,
                    absl::Duration& into) {
    if (!given) return;
    const absl::Duration read = ToDuration(value);
    if (read <= absl::ZeroDuration()) {
      Fault(key, "a duration above 0");
    } else {
      into = read;
    }
  }

  void ReadCount(const std::string& key, bool given, int32_t value, int& into) {
    if (!given) return;
    if (value < 1 || value > 65536) {
      Fault(key, "from 1 to 65536");
    } else {
      into = value;
    }
  }

  void ReadProvider(const std::string& name, const config::v1::Provider& row) {
    const std::string key = absl::StrCat("providers.", name);
    if (!IsProviderName(name)) {
      Fault(key,
            "a name is made of a-z, 0-9, _ and -, and begins with a "
            "letter or digit");
    }
    auto provider = std::make_unique<Provider>();
    provider->name = name;
    if (row.dialect() == config::v1::DIALECT_MOCK) {
      provider->dialect = Dialect::kMock;
      ReadMock(key, row, *provider);
    } else {
      ReadHttp(key, row, *provider);
    }
    catalogue_->providers_.push_back(std::move(provider));
  }

  void ReadMock(const std::string& key, const config::v1::Provider& row,
                Provider& provider) {
    if (!row.base_url().empty()) Fault(key + ".baseUrl", "mock has none");
    if (row.has_key()) Fault(key + ".key", "mock has none");
    if (!row.ca_file().empty()) Fault(key + ".caFile", "mock has none");
    if (row.has_max_idle_connections()) {
      Fault(key + ".maxIdleConnections", "mock has no connections");
    }
    if (row.has_max_connections()) {
      Fault(key + ".maxConnections", "mock has no connections");
    }
    if (row.max_tokens_field() != config::v1::MAX_TOKENS_FIELD_UNSPECIFIED) {
      Fault(key + ".maxTokensField", "mock has none");
    }
    if (row.reasoning_field() != config::v1::REASONING_FIELD_UNSPECIFIED) {
      Fault(key + ".reasoningField", "mock has none");
    }
    if (row.developer_as_system()) {
      Fault(key + ".developerAsSystem", "mock knows the role");
    }
    const absl::Duration interval = ToDuration(row.mock().token_interval());
    const absl::Duration delay = ToDuration(row.mock().first_token_delay());
    if (interval < absl::ZeroDuration()) {
      Fault(key + ".mock.tokenInterval", "0 or more");
    }
    if (delay < absl::ZeroDuration()) {
      Fault(key + ".mock.firstTokenDelay", "0 or more");
    }
    provider.token_interval = interval;
    provider.first_token_delay = delay;
  }

  void ReadHttp(const std::string& key, const config::v1::Provider& row,
                Provider& provider) {
    if (row.has_mock()) {
      Fault(key + ".mock", "only with the dialect mock");
    }
    absl::string_view url = row.base_url();
    while (absl::ConsumeSuffix(&url, "/")) {
    }
    absl::string_view rest = url;
    if (row.base_url().empty()) {
      Fault(key + ".baseUrl", "required unless the dialect is mock");
    } else if (!(absl::ConsumePrefix(&rest, "http://") ||
                 absl::ConsumePrefix(&rest, "https://")) ||
               rest.empty() || rest[0] == '/' ||
               rest.find_first_of("@?# ") != absl::string_view::npos) {
      Fault(key + ".baseUrl", "of the form https://host[:port][/path]");
    }
    provider.base_url = std::string(url);
    provider.key.file = row.key().file();
    provider.key.env = row.key().env();
    if (row.has_key() && provider.key.empty()) {
      Fault(key + ".key", "needs `file` or `env`");
    }
    provider.ca_file = row.ca_file();
    if (!row.ca_file().empty() && absl::StartsWith(url, "http://")) {
      Fault(key + ".caFile", "only with a baseUrl of https://");
    }
    if (row.max_tokens_field() == config::v1::MAX_TOKENS_FIELD_MAX_TOKENS) {
      provider.max_tokens_field = "max_tokens";
    }
    if (row.reasoning_field() ==
        config::v1::REASONING_FIELD_REASONING_CONTENT) {
      provider.reasoning_field = "reasoning_content";
    } else if (row.reasoning_field() == config::v1::REASONING_FIELD_REASONING) {
      provider.reasoning_field = "reasoning";
    }
    provider.developer_as_system = row.developer_as_system();
    ReadCount(key + ".maxIdleConnections", row.has_max_idle_connections(),
              row.max_idle_connections(), provider.max_idle_connections);
    ReadCount(key + ".maxConnections", row.has_max_connections(),
              row.max_connections(), provider.max_connections);
  }

  void ReadModel(const std::string& name, const config::v1::Model& row) {
    const std::string key = absl::StrCat("models.", name);
    if (name.empty() || name.size() > 256 ||
        std::any_of(name.begin(), name.end(),
                    [](char c) { return c <= ' ' || c > '~'; })) {
      Fault(key, "a name is 1 to 256 printable ASCII characters, no spaces");
    }
    auto model = std::make_unique<Model>();
    model->name = name;
    if (row.targets().empty()) Fault(key + ".targets", "at least one");
    for (int i = 0; i < row.targets_size(); ++i) {
      ReadTarget(absl::StrCat(key, ".targets[", i, "]"), row.targets(i),
                 *model);
    }
    if (row.context_tokens() < 0) Fault(key + ".contextTokens", "0 or more");
    if (row.max_output_tokens() < 0) {
      Fault(key + ".maxOutputTokens", "0 or more");
    }
    if (row.created() < 0) Fault(key + ".created", "0 or more");
    model->context_tokens = row.context_tokens();
    model->max_output_tokens = row.max_output_tokens();
    model->created = row.created();
    model->owned_by = row.owned_by();
    if (model->owned_by.empty() && !row.targets().empty()) {
      model->owned_by = row.targets(0).provider();
    }
    ReadTimeouts(key + ".timeouts", row.timeouts(), model->timeouts);
    model->allow.allow_store = row.allow().stored_data();
    model->allow.allow_provider_objects = row.allow().provider_objects();
    model->allow.allow_server_tools = row.allow().server_tools();
    if (row.allow().service_tiers()) {
      model->allow.service_tiers = {"flex", "scale", "priority", "fast"};
    }
    catalogue_->models_.push_back(std::move(model));
  }

  void ReadTarget(const std::string& key, const config::v1::Target& row,
                  Model& model) {
    Target target;
    target.provider = FindProvider(row.provider());
    if (row.provider().empty()) {
      Fault(key + ".provider", "required");
    } else if (target.provider == nullptr) {
      Fault(key + ".provider",
            absl::StrCat("`", row.provider(), "` is not among the providers"));
    }
    target.model = row.model().empty() ? model.name : row.model();
    if (row.has_weight()) target.weight = row.weight();
    if (target.weight < 0 || target.weight > kMaxWeight) {
      Fault(key + ".weight", absl::StrCat("from 0 to ", kMaxWeight));
    }
    target.price = ToPrice(row.price());
    for (const std::string& fault : PriceFaults(target.price)) {
      faults_.push_back(absl::StrCat(key, ".price.", fault));
    }
    model.targets.push_back(std::move(target));
  }

  void ReadTimeouts(const std::string& key, const config::v1::Timeouts& row,
                    Timeouts& into) {
    ReadPositive(key + ".connect", row.has_connect(), row.connect(),
                 into.connect);
    ReadPositive(key + ".headers", row.has_headers(), row.headers(),
                 into.headers);
    ReadPositive(key + ".firstToken", row.has_first_token(), row.first_token(),
                 into.first_token);
    ReadPositive(
        key + ".firstTokenWithFallback", row.has_first_token_with_fallback(),
        row.first_token_with_fallback(), into.first_token_with_fallback);
    ReadPositive(key + ".silence", row.has_silence(), row.silence(),
                 into.silence);
    ReadPositive(key + ".total", row.has_total(), row.total(), into.total);
  }

  std::shared_ptr<Catalogue> catalogue_{new Catalogue};
  std::vector<std::string> faults_;
};

namespace {

// The highest of the prices; absent if one of them is not known.
class Ceiling {
 public:
  void Add(const std::optional<int64_t>& price) {
    if (!price) {
      known_ = false;
    } else {
      value_ = std::max(value_, *price);
    }
  }
  bool known() const { return known_; }
  int64_t value() const { return value_; }

 private:
  bool known_ = true;
  int64_t value_ = 0;
};

v1::CatalogueModel Describe(const Model& model) {
  v1::CatalogueModel row;
  row.set_name(model.name);
  row.set_owned_by(model.owned_by);
  row.set_created(model.created);
  row.set_context_tokens(model.context_tokens);
  row.set_max_output_tokens(model.max_output_tokens);
  Ceiling input, output;
  for (const auto* targets : {&model.targets, model.fallback}) {
    if (targets == nullptr) continue;
    for (const Target& target : *targets) {
      input.Add(target.price.input);
      output.Add(target.price.output);
    }
  }
  if (input.known()) row.set_ceiling_input_price(input.value());
  if (output.known()) row.set_ceiling_output_price(output.value());
  return row;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Catalogue>> Catalogue::FromConfig(
    const config::v1::Config& config) {
  return CatalogueReader().Read(config);
}

void Catalogue::Index(const Model* fallback) {
  for (size_t i = 0; i < providers_.size(); ++i) providers_[i]->index = i;
  for (const auto& model : models_) {
    if (fallback != nullptr && fallback != model.get()) {
      model->fallback = &fallback->targets;
    }
    for (Target& target : model->targets) {
      target.id = absl::StrCat(target.provider->name, "/", target.model);
      target.row = model.get();
      target.index = target_count_++;
    }
    by_name_.emplace(model->name, model.get());
    *snapshot_.add_models() = Describe(*model);
  }
}

const Model* Catalogue::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

}  // namespace gateway::model_router
