#include "services/model_router/catalogue.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace gateway::model_router {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

config::v1::Config Parse(const std::string& text) {
  config::v1::Config config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  return config;
}

std::shared_ptr<const Catalogue> Read(const std::string& text) {
  auto catalogue = Catalogue::FromConfig(Parse(text));
  EXPECT_TRUE(catalogue.ok()) << catalogue.status();
  return catalogue.ok() ? *catalogue : nullptr;
}

std::string FaultsOf(const std::string& text) {
  auto catalogue = Catalogue::FromConfig(Parse(text));
  EXPECT_FALSE(catalogue.ok());
  return std::string(catalogue.status().message());
}

constexpr char kTwoModels[] = R"pb(
  providers {
    key: "up"
    value {
      base_url: "https://api.example.com/v1/"
      key { env: "UP_KEY" }
    }
  }
  models {
    key: "big"
    value {
      targets {
        provider: "up"
        model: "big-1"
        price { input: 5 output: 20 }
      }
      targets {
        provider: "up"
        model: "big-2"
        weight: 0
        price { input: 7 }
      }
      context_tokens: 1000
      timeouts { connect { seconds: 1 } }
      allow { stored_data: true }
    }
  }
  models {
    key: "alone"
    value {
      targets {
        provider: "up"
        price { input: 9 output: 1 }
      }
    }
  }
)pb";

TEST(CatalogueTest, WithNothingConfiguredThereIsTheMock) {
  const auto catalogue = Read("");
  ASSERT_EQ(catalogue->models().size(), 1u);
  const Model* model = catalogue->Find("mock");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->targets[0].id, "mock/mock");
  EXPECT_EQ(model->targets[0].provider->dialect, Dialect::kMock);
  EXPECT_EQ(model->owned_by, "mock");
}

TEST(CatalogueTest, ReadsProvidersModelsAndDefaults) {
  const auto catalogue = Read(kTwoModels);
  const Model* big = catalogue->Find("big");
  ASSERT_NE(big, nullptr);
  ASSERT_EQ(big->targets.size(), 2u);
  EXPECT_EQ(big->targets[0].id, "up/big-1");
  EXPECT_EQ(big->targets[0].weight, 1);
  EXPECT_EQ(big->targets[0].row, big);
  EXPECT_EQ(big->targets[1].weight, 0);
  EXPECT_EQ(big->targets[0].provider->base_url, "https://api.example.com/v1");
  EXPECT_EQ(big->targets[0].provider->key.env, "UP_KEY");
  EXPECT_EQ(big->owned_by, "up");
  EXPECT_EQ(big->timeouts.connect, absl::Seconds(1));
  EXPECT_EQ(big->timeouts.silence, absl::Seconds(20));
  EXPECT_TRUE(big->allow.allow_store);
  EXPECT_FALSE(big->allow.allow_server_tools);
  EXPECT_EQ(big->fallback, nullptr);
  EXPECT_EQ(catalogue->Find("alone")->targets[0].model, "alone");
  EXPECT_EQ(catalogue->Find("none"), nullptr);
  EXPECT_EQ(catalogue->target_count(), 3u);
}

TEST(CatalogueTest, FallbackModelIsBehindEveryOther) {
  const auto catalogue =
      Read(absl::StrCat(kTwoModels, "routing { fallback_model: 'alone' }"));
  const Model* alone = catalogue->Find("alone");
  EXPECT_EQ(catalogue->Find("big")->fallback, &alone->targets);
  EXPECT_EQ(alone->fallback, nullptr);
}

TEST(CatalogueTest, SnapshotIsSortedAndShowsCeilingPrices) {
  const auto catalogue = Read(kTwoModels);
  const auto& snapshot = catalogue->snapshot();
  ASSERT_EQ(snapshot.models_size(), 2);
  EXPECT_EQ(snapshot.models(0).name(), "alone");
  EXPECT_EQ(snapshot.models(1).name(), "big");
  EXPECT_EQ(snapshot.models(1).context_tokens(), 1000);
  EXPECT_EQ(snapshot.models(1).ceiling_input_price(), 7);
  // One of the two has no price for output.
  EXPECT_FALSE(snapshot.models(1).has_ceiling_output_price());
  const auto with_fallback =
      Read(absl::StrCat(kTwoModels, "routing { fallback_model: 'alone' }"));
  EXPECT_EQ(with_fallback->snapshot().models(1).ceiling_input_price(), 9);
}

TEST(CatalogueTest, ListsEveryFaultWithItsKey) {
  const std::string faults = FaultsOf(R"pb(
    routing { fallback_model: "gone" }
    providers {
      key: "Up"
      value { base_url: "ftp://x" }
    }
    providers {
      key: "no-url"
      value {}
    }
    providers {
      key: "m"
      value {
        dialect: DIALECT_MOCK
        base_url: "http://x"
        ca_file: "/ca.pem"
        max_connections: 3
        max_idle_connections: 2
        max_tokens_field: MAX_TOKENS_FIELD_MAX_TOKENS
        reasoning_field: REASONING_FIELD_REASONING
        developer_as_system: true
      }
    }
    providers {
      key: "plain"
      value { base_url: "http://x" ca_file: "/ca.pem" }
    }
    models {
      key: "empty"
      value {}
    }
    models {
      key: "bad"
      value {
        targets {
          provider: "nowhere"
          weight: -1
          price { input: -1 }
        }
        timeouts { silence { seconds: 0 } }
        context_tokens: -1
      }
    }
  )pb");
  EXPECT_THAT(faults,
              AllOf(HasSubstr("routing.fallbackModel: `gone`"),
                    HasSubstr("providers.Up: a name"),
                    HasSubstr("providers.Up.baseUrl: of the form"),
                    HasSubstr("providers.no-url.baseUrl: required"),
                    HasSubstr("providers.m.baseUrl: mock has none"),
                    HasSubstr("providers.m.caFile: mock has none"),
                    HasSubstr("providers.m.maxConnections: mock has no"),
                    HasSubstr("providers.m.maxIdleConnections: mock has no"),
                    HasSubstr("providers.m.maxTokensField: mock has none"),
                    HasSubstr("providers.m.reasoningField: mock has none"),
                    HasSubstr("providers.m.developerAsSystem: mock knows"),
                    HasSubstr("providers.plain.caFile: only with a baseUrl"),
                    HasSubstr("models.empty.targets: at least one"),
                    HasSubstr("models.bad.targets[0].provider: `nowhere`"),
                    HasSubstr("models.bad.targets[0].weight: from 0"),
                    HasSubstr("models.bad.targets[0].price.input: a price is"),
                    HasSubstr("models.bad.timeouts.silence: a duration"),
                    HasSubstr("models.bad.contextTokens: 0 or more")));
  EXPECT_THAT(faults, Not(HasSubstr("providers.m:")));
}

TEST(CatalogueTest, ModelsMayUseTheMockThatNobodyConfigured) {
  const auto catalogue = Read(R"pb(
    models {
      key: "gpt"
      value { targets { provider: "mock" } }
    }
  )pb");
  EXPECT_EQ(catalogue->Find("gpt")->targets[0].id, "mock/gpt");
}

}  // namespace
}  // namespace gateway::model_router
