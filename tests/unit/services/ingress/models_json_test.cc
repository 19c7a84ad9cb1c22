#include "services/ingress/models_json.h"

#include <gtest/gtest.h>

namespace gateway::ingress {
namespace {

model_router::v1::CatalogueModel Model(absl::string_view name) {
  model_router::v1::CatalogueModel model;
  model.set_name(std::string(name));
  model.set_owned_by("openai");
  model.set_created(1'790'000'000);
  return model;
}

TEST(ModelsJsonTest, WritesAModel) {
  EXPECT_EQ(ModelJson(Model("org/\"m\"")),
            R"({"id":"org/\"m\"","object":"model","created":1790000000,)"
            R"("owned_by":"openai"})");
}

TEST(ModelsJsonTest, WritesAList) {
  const auto a = Model("a");
  EXPECT_EQ(ModelsJson({&a}),
            R"({"object":"list","data":[{"id":"a","object":"model",)"
            R"("created":1790000000,"owned_by":"openai"}]})");
  EXPECT_EQ(ModelsJson({}), R"({"object":"list","data":[]})");
}

TEST(ModelsJsonTest, DecodesEscapesOfAPath) {
  EXPECT_EQ(DecodePath("org%2Fm"), "org/m");
  EXPECT_EQ(DecodePath("org%2fm%3A1"), "org/m:1");
  EXPECT_EQ(DecodePath("org/m"), "org/m");
  EXPECT_EQ(DecodePath("100%"), "100%");
  EXPECT_EQ(DecodePath("%zz%2"), "%zz%2");
}

}  // namespace
}  // namespace gateway::ingress
