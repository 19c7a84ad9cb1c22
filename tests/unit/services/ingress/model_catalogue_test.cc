#include "services/ingress/model_catalogue.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "tests/fakes/scripted_model_router.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_flow.h"

namespace gateway::ingress {
namespace {

class ModelCatalogueTest : public ::testing::Test {
 protected:
  // The router looks for changes each millisecond.
  void PollUntil(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!condition() && std::chrono::steady_clock::now() < end) {
      io_.restart();
      io_.run_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(condition());
  }

  boost::asio::io_context io_;
  FakeClock clock_;
  ScriptedModelRouter router_{{"a", "b"}};
  ModelCatalogue catalogue_{&router_, &clock_};
};

TEST_F(ModelCatalogueTest, HasNoSnapshotBeforeTheFirst) {
  EXPECT_EQ(catalogue_.snapshot(), nullptr);
  EXPECT_FALSE(catalogue_.connected());
}

TEST_F(ModelCatalogueTest, FollowsChanges) {
  VoidTestFlow flow(io_, catalogue_.Run());
  ASSERT_NE(catalogue_.snapshot(), nullptr);
  EXPECT_NE(catalogue_.snapshot()->Find("a"), nullptr);
  EXPECT_EQ(catalogue_.snapshot()->Find("c"), nullptr);
  EXPECT_TRUE(catalogue_.connected());
  router_.SetModels({"c"});
  PollUntil([&] { return catalogue_.snapshot()->Find("c") != nullptr; });
  EXPECT_EQ(catalogue_.snapshot()->Find("a"), nullptr);
  flow.Cancel();
  EXPECT_TRUE(flow.done());
}

TEST_F(ModelCatalogueTest, KeepsTheLastSnapshotAndReconnects) {
  VoidTestFlow flow(io_, catalogue_.Run());
  router_.SetWatchable(false);
  PollUntil([&] { return !catalogue_.connected(); });
  EXPECT_NE(catalogue_.snapshot()->Find("a"), nullptr);
  const int before = router_.watches();
  clock_.Advance(absl::Milliseconds(100));
  PollUntil([&] { return router_.watches() == before + 1; });
  router_.SetWatchable(true);
  clock_.Advance(absl::Milliseconds(200));
  PollUntil([&] { return catalogue_.connected(); });
  flow.Cancel();
}

TEST_F(ModelCatalogueTest, ShowsAKeyItsOwnModels) {
  VoidTestFlow flow(io_, catalogue_.Run());
  ApiKeyOptions options;
  options.models = {"b", "x"};
  const auto visible = catalogue_.snapshot()->Visible(ApiKey(options));
  ASSERT_EQ(visible.size(), 1u);
  EXPECT_EQ(visible[0]->name(), "b");
  EXPECT_EQ(catalogue_.snapshot()->Visible(ApiKey(ApiKeyOptions())).size(), 2u);
  flow.Cancel();
}

}  // namespace
}  // namespace gateway::ingress
