// Every key of the config has an effect: the walk below finds all of them in
// the schema, and each must have a row that shows where it arrives. What a
// program does not read it refuses.

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "common/config/key_path.h"
#include "common/config/loader.h"
#include "common/config/print.h"
#include "common/config/scalar.h"
#include "services/agent_gateway/compose_config.h"
#include "services/agent_gateway/server.h"
#include "services/batch_aggregator/config.h"
#include "services/ingress/config.h"
#include "services/metrics_collector/config.h"
#include "services/model_router/config.h"
#include "services/session_store/config.h"

namespace gateway::agent_gateway {
namespace {

using config::v1::Config;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// Every key of a message, with `*` for a name of a map and `[]` for a list.
void Walk(const Descriptor& type, const std::string& at,
          std::set<std::string>& keys) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    std::string key =
        absl::StrCat(at, at.empty() ? "" : ".", field.json_name());
    const Descriptor* below = field.message_type();
    if (field.is_map()) {
      key += ".*";
      below = below->map_value()->message_type();
    } else if (field.is_repeated()) {
      key += "[]";
    }
    const bool is_leaf =
        field.is_map() ? below == nullptr : config::IsScalar(field);
    if (is_leaf) {
      keys.insert(key);
    } else {
      Walk(*below, key, keys);
    }
  }
}

std::set<std::string> KeysOfTheSchema() {
  std::set<std::string> keys;
  Walk(*Config::descriptor(), "", keys);
  return keys;
}

std::string FileWith(const std::string& yaml) {
  static int count = 0;
  const std::string path = absl::StrCat(testing::TempDir(), "config_keys_",
                                        getpid(), "_", count++, ".yaml");
  std::ofstream(path) << yaml;
  return path;
}

Config FromYaml(const std::string& yaml) {
  Config config;
  const config::LoadResult loaded =
      config::Load({.file = FileWith(yaml)}, &config);
  EXPECT_TRUE(loaded.status.ok()) << loaded.status << "\n" << yaml;
  return config;
}

template <class Options>
Options Valid(absl::StatusOr<Options> options) {
  EXPECT_TRUE(options.ok()) << options.status();
  return options.ok() ? *std::move(options) : Options();
}

ingress::Options Ingress(const Config& c) {
  return Valid(ingress::ReadOptions(c));
}
model_router::Options Router(const Config& c) {
  return Valid(model_router::ReadOptions(c));
}
batch_aggregator::Options Batches(const Config& c) {
  return Valid(batch_aggregator::ReadOptions(c));
}
session_store::Options Sessions(const Config& c) {
  return Valid(session_store::ReadOptions(c));
}
metrics_collector::Options Collector(const Config& c) {
  return Valid(metrics_collector::ReadOptions(c));
}

std::string Text(absl::Duration value) { return absl::FormatDuration(value); }
std::string Text(bool value) { return value ? "true" : "false"; }
std::string Text(const std::string& value) { return value; }
std::string Text(const process::Address& value) { return value.ToString(); }
template <class Number>
std::string Text(Number value) {
  return absl::StrCat(value);
}

struct Row {
  std::string key;
  // The config that sets it; the same without it.
  std::string with;
  std::string without;
  // What a service does with it.
  std::function<std::string(const Config&)> effect;
};

// A scalar outside maps and lists, with a value that is not the default.
template <class Effect>
Row Scalar(const std::string& key, const std::string& value, Effect effect) {
  const std::vector<std::string> parts = absl::StrSplit(key, '.');
  std::string yaml, indent;
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StrAppend(&yaml, indent, parts[i], ":",
                    i + 1 == parts.size() ? " " + value : "", "\n");
    indent += "  ";
  }
  return {key, yaml, "", [effect](const Config& c) { return Text(effect(c)); }};
}

// Keys of the parts that several sections share.
template <class Read>
void AddSection(const std::string& section, Read read, std::vector<Row>& rows) {
  rows.push_back(Scalar(section + ".listen.grpc", "127.0.0.1:1",
                        [=](auto& c) { return read(c).grpc; }));
  rows.push_back(Scalar(section + ".listen.ops", "127.0.0.1:1",
                        [=](auto& c) { return read(c).ops; }));
  rows.push_back(Scalar(section + ".listen.admin", "127.0.0.1:1",
                        [=](auto& c) { return read(c).admin; }));
  rows.push_back(Scalar(section + ".shutdown.preDrainDelay", "1", [=](auto& c) {
    return read(c).shutdown.pre_drain_delay;
  }));
  rows.push_back(Scalar(section + ".shutdown.drainTimeout", "1", [=](auto& c) {
    return read(c).shutdown.drain_timeout;
  }));
}

void AddSections(std::vector<Row>& rows) {
  const auto own = [](const char* service) {
    return [service](const Config& c) {
      return Valid(process::ReadServiceOptions(c, service));
    };
  };
  AddSection("ingress", own("ingress"), rows);
  AddSection("modelRouter", own("model-router"), rows);
  AddSection("batchAggregator", own("batch-aggregator"), rows);
  AddSection("sessionStore", own("session-store"), rows);
  AddSection("metricsCollector", own("metrics-collector"), rows);
  AddSection("agentGateway", own("agent-gateway"), rows);
  const auto add = [&](auto... args) { rows.push_back(Scalar(args...)); };
  add("ingress.listen.http", "127.0.0.1:1",
      [](auto& c) { return Ingress(c).service.http; });
  add("agentGateway.listen.http", "127.0.0.1:1", [](auto& c) {
    return Valid(ingress::ReadOptions(c, "agent-gateway")).service.http;
  });
  add("modelRouter.target", "router:1",
      [](auto& c) { return Ingress(c).peers.model_router; });
  add("batchAggregator.target", "batches:1",
      [](auto& c) { return Ingress(c).peers.batch_aggregator; });
  add("sessionStore.target", "sessions:1",
      [](auto& c) { return Ingress(c).peers.session_store; });
  add("metricsCollector.target", "metrics:1",
      [](auto& c) { return Router(c).collector_target; });
  add("modelRouter.dataDir", "/d",
      [](auto& c) { return Router(c).spool.directory; });
  add("batchAggregator.dataDir", "/d",
      [](auto& c) { return Batches(c).service.data_dir; });
  add("sessionStore.dataDir", "/d",
      [](auto& c) { return Sessions(c).service.data_dir; });
  add("metricsCollector.dataDir", "/d",
      [](auto& c) { return Collector(c).service.data_dir; });
  add("agentGateway.dataDir", "/d",
      [](auto& c) { return Sessions(ComposeConfig(c)).service.data_dir; });
}

void AddOfIngress(std::vector<Row>& rows) {
  const auto add = [&](auto... args) { rows.push_back(Scalar(args...)); };
  add("streaming", "false",
      [](auto& c) { return Ingress(c).exchange.streaming; });
  add("monitoring.queueSize", "7",
      [](auto& c) { return Ingress(c).telemetry_queue_size; });
  add("limits.maxBodyBytes", "8MiB",
      [](auto& c) { return Ingress(c).service.max_body_bytes; });
  add("limits.maxHeaderBytes", "1KiB",
      [](auto& c) { return Ingress(c).http.max_header_bytes; });
  add("limits.maxBodyBytesInFlight", "1MiB",
      [](auto& c) { return Ingress(c).service.max_body_bytes_in_flight; });
  add("limits.maxRequestsInFlight", "7",
      [](auto& c) { return Ingress(c).admission.max_requests_in_flight; });
  add("limits.headerTimeout", "3s",
      [](auto& c) { return Ingress(c).http.header_timeout; });
  add("limits.maxConnections", "7",
      [](auto& c) { return Ingress(c).http.max_connections; });
  add("limits.idleTimeout", "3s",
      [](auto& c) { return Ingress(c).http.idle_timeout; });
  add("limits.writeTimeout", "3s",
      [](auto& c) { return Sessions(c).service.write_timeout; });
  add("stream.maxDuration", "3s",
      [](auto& c) { return Ingress(c).deadline.max_stream; });
  add("stream.heartbeatInterval", "3s",
      [](auto& c) { return Ingress(c).heartbeat_interval; });
  add("stream.idleTimeout", "3s",
      [](auto& c) { return Ingress(c).idle_timeout; });
}

void AddOfTheStores(std::vector<Row>& rows) {
  const auto add = [&](auto... args) { rows.push_back(Scalar(args...)); };
  add("session.ttl", "3s", [](auto& c) { return Sessions(c).tree.ttl; });
  add("session.maxTurns", "3",
      [](auto& c) { return Sessions(c).tree.max_turns; });
  add("session.maxBytes", "3KiB",
      [](auto& c) { return Sessions(c).tree.max_bytes; });
  add("session.maxContextBytes", "3KiB",
      [](auto& c) { return Sessions(c).tree.max_context_bytes; });
  add("session.maxSessions", "3",
      [](auto& c) { return Sessions(c).tree.max_sessions; });
  add("session.leaseTimeout", "3s",
      [](auto& c) { return Sessions(c).tree.lease_timeout; });
  add("session.cleanInterval", "3s",
      [](auto& c) { return Sessions(c).cleaner.interval; });
  add("batch.size", "3",
      [](auto& c) { return Batches(c).dispatcher.window.size; });
  add("batch.wait", "3s",
      [](auto& c) { return Batches(c).dispatcher.window.wait; });
  add("batch.concurrency", "3",
      [](auto& c) { return Batches(c).dispatcher.concurrency; });
  add("batch.maxItems", "3",
      [](auto& c) { return Batches(c).batches.limits.max_items; });
  add("batch.maxBytes", "3KiB",
      [](auto& c) { return Batches(c).batches.limits.max_bytes; });
  add("batch.maxOpenBatches", "3",
      [](auto& c) { return Batches(c).batches.max_open_batches; });
  add("batch.retention", "3s", [](auto& c) { return Batches(c).retention; });
  add("batch.maxAttempts", "3",
      [](auto& c) { return Batches(c).dispatcher.retry.max_attempts; });
  add("batch.itemTimeout", "3s",
      [](auto& c) { return Batches(c).dispatcher.item_timeout; });
  add("monitoring.enabled", "false",
      [](auto& c) { return Collector(c).covert; });
  add("monitoring.contents", "errors",
      [](auto& c) { return static_cast<int>(Collector(c).contents); });
  add("monitoring.contentsRetention", "3s",
      [](auto& c) { return Collector(c).contents_retention; });
  add("monitoring.requestRetention", "3s",
      [](auto& c) { return Collector(c).request_retention; });
  add("monitoring.usageRetention", "3s",
      [](auto& c) { return Collector(c).usage_retention; });
  add("monitoring.usageBytes", "8MiB",
      [](auto& c) { return Collector(c).usage_bytes; });
  // All three read it.
  add("storage.memoryBytes", "8MiB", [](auto& c) {
    const std::set<int64_t> read = {Sessions(c).service.store_memory_bytes,
                                    Batches(c).service.store_memory_bytes,
                                    Collector(c).service.store_memory_bytes};
    EXPECT_EQ(read.size(), 1u);
    return *read.begin();
  });
  add("monitoring.requestLogBytes", "8MiB",
      [](auto& c) { return Collector(c).request_log_bytes; });
}

// Keys within `keys[]`.
void AddOfApiKeys(std::vector<Row>& rows) {
  const std::string a(64, 'a'), b(64, 'b');
  const auto add = [&](const char* name, const std::string& value,
                       const std::string& other, auto effect) {
    const std::string rest =
        absl::StrCat(name == std::string("id") ? "" : "id: k, ",
                     name == std::string("sha256") ? "" : "sha256: " + a + ", ",
                     name == std::string("tenant") ? "" : "tenant: t, ");
    const auto yaml = [&](const std::string& of) {
      return absl::StrCat("keys: [{", rest, name, ": ", of, "}]\n");
    };
    const std::string list = name == std::string("models") ? "[]" : "";
    rows.push_back({absl::StrCat("keys[].", name, list), yaml(value),
                    yaml(other), [effect](const Config& c) {
                      const auto keys = Ingress(c).keys;
                      return keys.empty() ? "" : Text(effect(keys[0]));
                    }});
  };
  add("id", "x", "y", [](auto& key) { return key.id; });
  add("sha256", b, a, [](auto& key) { return int{key.sha256[0]}; });
  add("tenant", "x", "y", [](auto& key) { return key.tenant; });
  add("models", "[m]", "[]", [](auto& key) { return key.models.size(); });
  add("maxConcurrency", "3", "0",
      [](auto& key) { return key.max_concurrency; });
}

void AddOfProviders(std::vector<Row>& rows) {
  const auto add = [&](const std::string& key, const std::string& rest,
                       const std::string& set, auto effect) {
    const auto yaml = [&](const std::string& more) {
      return absl::StrCat("providers: {p: {", rest, more, "}}\n",
                          "models: {m: {targets: [{provider: p}]}}\n",
                          "ingress: {listen: {http: '127.0.0.1:0', grpc: "
                          "'127.0.0.1:0'}}\n");
    };
    rows.push_back(
        {"providers.*." + key, yaml(set), yaml(""), [effect](const Config& c) {
           const auto options = Router(c);
           return Text(
               effect(*options.catalogue->providers()[0], options.keys[0]));
         }});
  };
  const std::string http = "baseUrl: 'http://a'";
  const std::string mock = "dialect: mock";
  using Provider = model_router::Provider;
  const auto dialect = [](const Provider& p, const std::string&) {
    return static_cast<int>(p.dialect);
  };
  rows.push_back({"providers.*.dialect", "providers: {p: {dialect: mock}}",
                  "providers: {p: {baseUrl: 'http://a'}}\n"
                  "ingress: {listen: {http: '127.0.0.1:0', grpc: "
                  "'127.0.0.1:0'}}\n",
                  [dialect](const Config& c) {
                    return Text(
                        dialect(*Router(c).catalogue->providers()[0], ""));
                  }});
  rows.push_back({"providers.*.baseUrl",
                  "providers: {p: {baseUrl: 'http://b'}}",
                  "providers: {p: {baseUrl: 'http://a'}}", [](const Config& c) {
                    return Router(c).catalogue->providers()[0]->base_url;
                  }});
  const auto secret = [](const Provider&, const std::string& key) {
    return key;
  };
  setenv("CONFIG_KEYS_TEST", "from the environment", 1);
  add("key.env", http, ", key: {env: CONFIG_KEYS_TEST}", secret);
  add("key.file", http,
      absl::StrCat(", key: {file: '", FileWith("from a file"), "'}"), secret);
  // Without a look into the file.
  const std::string https = "providers: {p: {baseUrl: 'https://a'";
  rows.push_back({"providers.*.caFile", https + ", caFile: /ca}}", https + "}}",
                  [](const Config& c) {
                    return (*model_router::Catalogue::FromConfig(c))
                        ->providers()[0]
                        ->ca_file;
                  }});
  add("maxIdleConnections", http, ", maxIdleConnections: 3",
      [](const Provider& p, const std::string&) {
        return p.max_idle_connections;
      });
  add("maxConnections", http, ", maxConnections: 3",
      [](const Provider& p, const std::string&) { return p.max_connections; });
  add("maxTokensField", http, ", maxTokensField: max_tokens",
      [](const Provider& p, const std::string&) { return p.max_tokens_field; });
  add("developerAsSystem", http, ", developerAsSystem: true",
      [](const Provider& p, const std::string&) {
        return p.developer_as_system;
      });
  add("reasoningField", http, ", reasoningField: reasoning_content",
      [](const Provider& p, const std::string&) { return p.reasoning_field; });
  add("mock.tokenInterval", mock, ", mock: {tokenInterval: 3s}",
      [](const Provider& p, const std::string&) { return p.token_interval; });
  add("mock.firstTokenDelay", mock, ", mock: {firstTokenDelay: 3s}",
      [](const Provider& p, const std::string&) {
        return p.first_token_delay;
      });
}

void AddOfModels(std::vector<Row>& rows) {
  const auto add = [&](const std::string& key, const std::string& set,
                       auto effect) {
    const auto yaml = [](const std::string& more) {
      return absl::StrCat("models: {m: {targets: [{provider: mock}]", more,
                          "}}\n");
    };
    rows.push_back(
        {"models.*." + key, yaml(set), yaml(""), [effect](const Config& c) {
           return Text(effect(*Router(c).catalogue->Find("m")));
         }});
  };
  using Model = model_router::Model;
  add("contextTokens", ", contextTokens: 3",
      [](const Model& m) { return m.context_tokens; });
  add("maxOutputTokens", ", maxOutputTokens: 3",
      [](const Model& m) { return m.max_output_tokens; });
  add("ownedBy", ", ownedBy: me", [](const Model& m) { return m.owned_by; });
  add("created", ", created: 3", [](const Model& m) { return m.created; });
  const auto timeout = [&](const std::string& name, auto member) {
    add("timeouts." + name, ", timeouts: {" + name + ": 7s}",
        [member](const Model& m) { return m.timeouts.*member; });
  };
  using Timeouts = model_router::Timeouts;
  timeout("connect", &Timeouts::connect);
  timeout("headers", &Timeouts::headers);
  timeout("firstToken", &Timeouts::first_token);
  timeout("firstTokenWithFallback", &Timeouts::first_token_with_fallback);
  timeout("silence", &Timeouts::silence);
  timeout("total", &Timeouts::total);
  add("allow.providerObjects", ", allow: {providerObjects: true}",
      [](const Model& m) { return m.allow.allow_provider_objects; });
  add("allow.storedData", ", allow: {storedData: true}",
      [](const Model& m) { return m.allow.allow_store; });
  add("allow.serverTools", ", allow: {serverTools: true}",
      [](const Model& m) { return m.allow.allow_server_tools; });
  add("allow.serviceTiers", ", allow: {serviceTiers: true}",
      [](const Model& m) { return m.allow.service_tiers.size(); });
}

void AddOfTargets(std::vector<Row>& rows) {
  const auto add = [&](const std::string& key, const std::string& set,
                       const std::string& other, auto effect) {
    const auto yaml = [](const std::string& target) {
      return absl::StrCat(
          "providers: {mock: {dialect: mock}, two: {dialect: mock}}\n",
          "models: {m: {targets: [{", target, "}]}}\n");
    };
    rows.push_back({"models.*.targets[]." + key, yaml(set), yaml(other),
                    [effect](const Config& c) {
                      return Text(
                          effect(Router(c).catalogue->Find("m")->targets[0]));
                    }});
  };
  using Target = model_router::Target;
  add("provider", "provider: two", "provider: mock",
      [](const Target& t) { return t.provider->name; });
  add("model", "provider: mock, model: x", "provider: mock",
      [](const Target& t) { return t.model; });
  add("weight", "provider: mock, weight: 3", "provider: mock",
      [](const Target& t) { return t.weight; });
  const auto price = [&](const std::string& name, auto member) {
    const std::string input =
        name == "input" ? "" : "input: 10, ";  // what caches are held against
    const std::string value = name == "cacheRead" ? "3" : "13";
    add("price." + name,
        absl::StrCat("provider: mock, price: {", input, name, ": ", value, "}"),
        absl::StrCat("provider: mock, price: {", input, "}"),
        [member](const Target& t) { return (t.price.*member).value_or(-1); });
  };
  using Price = model_router::Price;
  price("input", &Price::input);
  price("output", &Price::output);
  price("cacheRead", &Price::cache_read);
  price("cacheWrite5m", &Price::cache_write_5m);
  price("cacheWrite1h", &Price::cache_write_1h);
  price("reasoning", &Price::reasoning);
  price("audioInput", &Price::audio_input);
  price("audioOutput", &Price::audio_output);
}

void AddOfModelRouter(std::vector<Row>& rows) {
  const auto add = [&](auto... args) { rows.push_back(Scalar(args...)); };
  add("stream.coalesce", "3ms", [](auto& c) { return Router(c).coalesce; });
  add("usage.spoolBytes", "8MiB",
      [](auto& c) { return Router(c).spool.max_bytes; });
  add("usage.whenFull", "drop",
      [](auto& c) { return Router(c).spool.drop_when_full; });
  const std::string models =
      "models: {a: {targets: [{provider: mock}]}, "
      "b: {targets: [{provider: mock}]}}\n";
  rows.push_back(
      {"routing.fallbackModel", models + "routing: {fallbackModel: b}", models,
       [](const Config& c) {
         return Text(Router(c).catalogue->Find("a")->fallback != nullptr);
       }});
}

void AddOfTheProcess(std::vector<Row>& rows) {
  const auto add = [&](auto... args) { rows.push_back(Scalar(args...)); };
  // These three are read by the process itself; tests/mesh shows their effect.
  add("threads", "3", [](auto& c) { return c.threads(); });
  add("log.level", "debug",
      [](auto& c) { return static_cast<int>(c.log().level()); });
  add("log.format", "text",
      [](auto& c) { return static_cast<int>(c.log().format()); });
  add("shutdown.preDrainDelay", "3s",
      [](auto& c) { return Sessions(c).service.shutdown.pre_drain_delay; });
  add("shutdown.drainTimeout", "3s",
      [](auto& c) { return Sessions(c).service.shutdown.drain_timeout; });
}

std::vector<Row> Rows() {
  std::vector<Row> rows;
  AddSections(rows);
  AddOfIngress(rows);
  AddOfTheStores(rows);
  AddOfApiKeys(rows);
  AddOfProviders(rows);
  AddOfModels(rows);
  AddOfTargets(rows);
  AddOfModelRouter(rows);
  AddOfTheProcess(rows);
  return rows;
}

TEST(ConfigKeysTest, EveryKeyOfTheSchemaIsHere) {
  std::set<std::string> known;
  for (const Row& row : Rows()) {
    EXPECT_TRUE(known.insert(row.key).second) << row.key << " stands twice";
  }
  EXPECT_EQ(known, KeysOfTheSchema());
}

TEST(ConfigKeysTest, EveryKeyHasAnEffect) {
  for (const Row& row : Rows()) {
    SCOPED_TRACE(row.key);
    EXPECT_NE(row.effect(FromYaml(row.with)),
              row.effect(FromYaml(row.without)));
  }
}

// The field of a key outside maps and lists.
const FieldDescriptor& FieldOf(const std::string& key) {
  const Descriptor* type = Config::descriptor();
  const FieldDescriptor* field = nullptr;
  for (const auto& part : absl::StrSplit(key, '.')) {
    field = config::FindField(*type, part);
    type = field->message_type();
  }
  return *field;
}

// What the schema says is the default is what a service does without the key.
TEST(ConfigKeysTest, TheSchemaTellsTheDefaults) {
  int told = 0;
  for (const Row& row : Rows()) {
    if (row.key.find_first_of("*[") != std::string::npos) continue;
    if (absl::StartsWith(row.key, "log.")) continue;  // read by the process
    SCOPED_TRACE(row.key);
    const std::vector<std::string> parts = absl::StrSplit(row.key, '.');
    const std::string value = config::DefaultOf(FieldOf(row.key), parts[0]);
    if (value.empty()) continue;
    ++told;
    Config config;
    ASSERT_TRUE(
        config::Load({.settings = {absl::StrCat(row.key, "=", value)}}, &config)
            .status.ok());
    EXPECT_EQ(row.effect(config), row.effect(Config()));
  }
  EXPECT_GE(told, 60);
}

// `GATEWAY__A__B_C` for `a.bC`.
std::string VariableOf(const std::string& key) {
  std::string variable = "GATEWAY__";
  for (char c : key) {
    if (c == '.') {
      variable += "__";
    } else if (absl::ascii_isupper(c)) {
      absl::StrAppend(&variable, "_", std::string(1, c));
    } else {
      variable.push_back(absl::ascii_toupper(c));
    }
  }
  return variable;
}

TEST(ConfigKeysTest, EveryScalarCanBeSetByVariableAndByFlag) {
  for (const Row& row : Rows()) {
    if (row.key.find_first_of("*[") != std::string::npos) continue;
    SCOPED_TRACE(row.key);
    const std::string value(absl::StripAsciiWhitespace(row.with.substr(
        row.with.find_last_of(':', row.with.find_last_of(" ")) + 1)));
    const Config by_file = FromYaml(row.with);
    if (!row.without.empty()) continue;  // needs more than itself
    Config by_variable, by_flag;
    EXPECT_TRUE(config::Load({.environment = {{VariableOf(row.key), value}}},
                             &by_variable)
                    .warnings.empty());
    EXPECT_TRUE(config::Load({.settings = {row.key + "=" + value}}, &by_flag)
                    .status.ok());
    EXPECT_EQ(by_variable.DebugString(), by_file.DebugString());
    EXPECT_EQ(by_flag.DebugString(), by_file.DebugString());
  }
}

// What a program says to a file that sets one key.
std::string Refusal(const std::string& yaml,
                    const std::vector<config::RefusedKey>& refused) {
  Config config;
  const std::string path = FileWith(yaml);
  const config::LoadResult loaded =
      config::Load({.file = path, .refused = refused}, &config);
  return absl::StrReplaceAll(loaded.status.message(), {{path, "FILE"}});
}

TEST(ConfigKeysTest, OneProcessRefusesWhatOnlyTheMeshReads) {
  int refused = 0;
  for (const Row& row : Rows()) {
    if (row.key.find_first_of("*[") != std::string::npos) continue;
    const std::vector<std::string> parts = absl::StrSplit(row.key, '.');
    const bool is_of_a_service =
        parts[0] == "ingress" || parts[0] == "modelRouter" ||
        parts[0] == "batchAggregator" || parts[0] == "sessionStore" ||
        parts[0] == "metricsCollector";
    SCOPED_TRACE(row.key);
    const std::string said = Refusal(row.with, RefusedKeys());
    if (is_of_a_service && parts[1] != "dataDir") {
      ++refused;
      EXPECT_THAT(said, testing::StartsWith(
                            absl::StrCat("FILE:2: ", parts[0], ".", parts[1],
                                         ": not read by agent-gateway")));
    } else {
      EXPECT_EQ(said, "");
    }
  }
  EXPECT_GE(refused, 30);
}

TEST(ConfigKeysTest, OneProcessRefusesThemFromFlagsAndVariablesToo) {
  Config config;
  EXPECT_THAT(std::string(config::Load({.settings = {"modelRouter.target=a:1"},
                                        .refused = RefusedKeys()},
                                       &config)
                              .status.message()),
              testing::StartsWith("--set: modelRouter.target: not read by"));
  EXPECT_THAT(
      std::string(
          config::Load({.environment = {{"GATEWAY__INGRESS__LISTEN__HTTP",
                                         "127.0.0.1:1"}},
                        .refused = RefusedKeys()},
                       &config)
              .status.message()),
      testing::HasSubstr("ingress.listen.http: not read by agent-gateway"));
}

TEST(ConfigKeysTest, ASectionHasOnlyWhatItsServiceReads) {
  EXPECT_THAT(Refusal("ingress: {target: 'a:1'}", {}),
              testing::StartsWith("FILE:1: ingress.target: unknown key"));
  EXPECT_THAT(Refusal("ingress:\n  dataDir: /d", {}),
              testing::StartsWith("FILE:2: ingress.dataDir: unknown key"));
  EXPECT_THAT(Refusal("agentGateway: {target: 'a:1'}", {}),
              testing::StartsWith("FILE:1: agentGateway.target: unknown key"));
  for (const char* section :
       {"modelRouter", "batchAggregator", "sessionStore", "metricsCollector"}) {
    EXPECT_THAT(Refusal(absl::StrCat(section, ": {listen: {http: 'a:1'}}"), {}),
                testing::StartsWith(absl::StrCat("FILE:1: ", section,
                                                 ".listen.http: unknown key")));
  }
}

}  // namespace
}  // namespace gateway::agent_gateway
