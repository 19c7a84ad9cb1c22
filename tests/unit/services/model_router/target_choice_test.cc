#include "services/model_router/target_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace gateway::model_router {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

std::vector<Target> Targets(std::vector<std::pair<std::string, int64_t>> rows) {
  std::vector<Target> targets;
  for (auto& [id, weight] : rows) {
    Target target;
    target.id = id;
    target.weight = weight;
    targets.push_back(target);
  }
  return targets;
}

std::vector<std::string> Ids(const TargetList& list) {
  std::vector<std::string> ids;
  for (const Target* target : list) ids.push_back(target->id);
  return ids;
}

TEST(OrderTargetsTest, DrawsFirstTargetsByWeight) {
  Model model;
  model.targets = Targets({{"a/1", 8}, {"b/1", 2}});
  std::map<std::string, int> first;
  for (uint64_t draw = 0; draw < 10'000; ++draw) {
    ++first[OrderTargets(model, {}, draw)[0]->id];
  }
  EXPECT_NEAR(first["a/1"], 8000, 200);
  EXPECT_NEAR(first["b/1"], 2000, 200);
}

TEST(OrderTargetsTest, ListsEachTargetOnce) {
  Model model;
  model.targets = Targets({{"a/1", 1}, {"b/1", 5}, {"c/1", 3}});
  for (uint64_t draw = 0; draw < 100; ++draw) {
    EXPECT_THAT(Ids(OrderTargets(model, {}, draw)),
                UnorderedElementsAre("a/1", "b/1", "c/1"));
  }
}

TEST(OrderTargetsTest, WeightZeroComesAfterTheOthersAsListed) {
  Model model;
  model.targets = Targets({{"z/1", 0}, {"y/1", 0}, {"a/1", 1}});
  for (uint64_t draw = 0; draw < 20; ++draw) {
    EXPECT_THAT(Ids(OrderTargets(model, {}, draw)),
                ElementsAre("a/1", "z/1", "y/1"));
  }
}

TEST(OrderTargetsTest, FallbackTargetsAreLastAndNeverTwice) {
  const std::vector<Target> fallback = Targets({{"a/1", 1}, {"f/1", 1}});
  Model model;
  model.targets = Targets({{"a/1", 1}});
  model.fallback = &fallback;
  EXPECT_THAT(Ids(OrderTargets(model, {}, 7)), ElementsAre("a/1", "f/1"));
}

TEST(OrderTargetsTest, PlannedTargetGoesFirstWhateverItsWeight) {
  const std::vector<Target> fallback = Targets({{"f/1", 1}});
  Model model;
  model.targets = Targets({{"a/1", 1}, {"z/1", 0}});
  model.fallback = &fallback;
  EXPECT_THAT(Ids(OrderTargets(model, {.planned = "z/1"}, 1)),
              ElementsAre("z/1", "a/1", "f/1"));
  EXPECT_THAT(Ids(OrderTargets(model, {.planned = "f/1"}, 1)),
              ElementsAre("f/1", "a/1", "z/1"));
  EXPECT_THAT(Ids(OrderTargets(model, {.planned = "gone/1"}, 1)),
              ElementsAre("a/1", "z/1", "f/1"));
}

TEST(OrderTargetsTest, ConversationStaysWhereItsCacheIs) {
  const std::vector<Target> fallback = Targets({{"f/1", 1}});
  Model model;
  model.targets = Targets({{"a/1", 1000}, {"b/1", 1}, {"z/1", 0}});
  model.fallback = &fallback;
  EXPECT_EQ(OrderTargets(model, {.last = "b/1"}, 1)[0]->id, "b/1");
  // But it does not stay with a fallback.
  EXPECT_NE(OrderTargets(model, {.last = "f/1"}, 1)[0]->id, "f/1");
  EXPECT_NE(OrderTargets(model, {.last = "z/1"}, 1)[0]->id, "z/1");
}

}  // namespace
}  // namespace gateway::model_router
