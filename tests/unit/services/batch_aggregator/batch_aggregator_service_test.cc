#include "services/batch_aggregator/batch_aggregator_service.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <filesystem>
#include <future>
#include <map>
#include <set>

#include "common/status/error.h"
#include "tests/fakes/fake_model_router.h"
#include "tests/fakes/fake_session_store.h"
#include "tests/support/crash_disk.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/services/batch_aggregator/machine.h"

namespace gateway::batch_aggregator {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

v1::BatchHeader Header(const std::string& key = "",
                       const std::string& tenant = "acme") {
  v1::BatchHeader header;
  header.mutable_context()->set_request_id("req_1");
  header.mutable_context()->mutable_account()->set_tenant(tenant);
  header.mutable_context()->mutable_account()->set_user("alice");
  header.set_idempotency_key(key);
  return header;
}

v1::BatchItem Item(const std::string& id, const std::string& model = "m") {
  v1::BatchItem item;
  item.set_custom_id(id);
  chat::v1::ChatRequest& chat = *item.mutable_typed();
  chat.set_model(model);
  chat.add_messages()->set_role(chat::v1::ROLE_USER);
  chat.mutable_messages(0)->add_content()->mutable_text()->set_text(id);
  return item;
}

std::vector<v1::BatchItem> Items(int count, const std::string& model = "m") {
  std::vector<v1::BatchItem> items;
  for (int i = 0; i < count; ++i) items.push_back(Item(absl::StrCat(i), model));
  return items;
}

std::string TextOf(const model_router::v1::RouteRequest& request) {
  return request.typed().chat().messages(0).content(0).text().text();
}

// Another's time; tells when it is asked for on the io thread that is watched,
// once.
class WatchedClock final : public Clock {
 public:
  explicit WatchedClock(Clock* inner) : inner_(inner) {}

  absl::Time Now() const override {
    boost::asio::io_context* io = watched.load();
    if (io != nullptr && io->get_executor().running_in_this_thread()) {
      watched.store(nullptr);
      asked();
    }
    return inner_->Now();
  }
  Awaitable<bool> SleepUntil(absl::Time deadline) override {
    return inner_->SleepUntil(deadline);
  }

  mutable std::atomic<boost::asio::io_context*> watched{nullptr};
  std::function<void()> asked;

 private:
  Clock* const inner_;
};

class BatchAggregatorServiceTest : public testing::Test {
 protected:
  BatchAggregatorServiceTest() {
    std::string pattern = testing::TempDir() + "batches_XXXXXX";
    path_ = mkdtemp(pattern.data());
    store_.path = path_ + "/data";
    // Only what a test names makes a flush due.
    dispatch_.window = {.size = 1, .wait = absl::Hours(24)};
    dispatch_.concurrency = 4;
    dispatch_.item_timeout = absl::Hours(100);
    router_.SetAnswer("m", {});
  }
  ~BatchAggregatorServiceTest() override {
    machine_.reset();
    std::filesystem::remove_all(path_);
  }

  void Start() {
    machine_.reset();
    machine_ = std::make_unique<Machine>(store_, dispatch_, &router_,
                                         &sessions_, &watched_clock_);
  }

  v1::Batch Submit(const std::vector<v1::BatchItem>& items,
                   const v1::BatchHeader& header = Header()) {
    const auto batch = machine_->Submit(header, items);
    EXPECT_TRUE(batch.ok()) << batch.status();
    return batch.ok() ? *batch : v1::Batch();
  }

  v1::Batch Get(const v1::Batch& batch) {
    return machine_->Get(Header(), batch.batch_id());
  }

  bool AwaitEnd(const v1::Batch& batch) {
    return Await([&] { return Get(batch).has_end_time(); });
  }

  // By custom id.
  std::map<std::string, v1::ItemResult> Results(const v1::Batch& batch,
                                                bool follow = false) {
    std::map<std::string, v1::ItemResult> results;
    const absl::Status read = machine_->Results(
        Header(), batch.batch_id(), "", follow, [&](const auto& response) {
          EXPECT_TRUE(
              results.emplace(response.result().custom_id(), response.result())
                  .second)
              << "two results";
        });
    EXPECT_TRUE(read.ok()) << read;
    return results;
  }

  absl::StatusOr<v1::Batch> Cancel(const v1::Batch& batch) {
    rpc::Call call;
    v1::CancelBatchRequest request;
    *request.mutable_context() = Header().context();
    request.set_batch_id(batch.batch_id());
    return machine_->Run(machine_->service().CancelBatch(call, request));
  }

  double Value(const std::string& name, const std::string& label = "") {
    for (const auto& family : machine_->metrics().Collect()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        if (!label.empty() && metric.label[0].value != label) continue;
        return metric.counter.value + metric.gauge.value +
               metric.histogram.sample_sum;
      }
    }
    ADD_FAILURE() << "no metric " << name;
    return -1;
  }

  std::string path_;
  CrashDisk disk_;
  RocksDbBatchRepositoryOptions store_;
  DispatcherOptions dispatch_;
  FakeModelRouter router_;
  FakeSessionStore sessions_;
  FakeClock clock_;
  WatchedClock watched_clock_{&clock_};
  std::unique_ptr<Machine> machine_;
};

// First: it forks before there are threads. The child answers items until it is
// killed. Its router tells in a pipe of each item before it answers it, its
// reader of each result that it was given.
TEST_F(BatchAggregatorServiceTest, AKillLosesNothingAndRepeatsNoAnswer) {
  class TellingRouter final : public ModelRouter {
   public:
    TellingRouter(ModelRouter* inner, std::function<void(std::string)> tell)
        : inner_(inner), tell_(std::move(tell)) {}
    Awaitable<absl::Status> Route(
        rpc::Call& call, const model_router::v1::RouteRequest& request,
        rpc::Sink<model_router::v1::RouteEvent>& sink) override {
      tell_("S" + TextOf(request) + "\n");
      return inner_->Route(call, request, sink);
    }
    Awaitable<absl::Status> WatchCatalogue(
        rpc::Call& call, const model_router::v1::WatchCatalogueRequest& request,
        rpc::Sink<model_router::v1::Catalogue>& sink) override {
      return inner_->WatchCatalogue(call, request, sink);
    }
    Awaitable<absl::StatusOr<model_router::v1::PlanBatchResponse>> PlanBatch(
        rpc::Call& call,
        const model_router::v1::PlanBatchRequest& request) override {
      return inner_->PlanBatch(call, request);
    }

   private:
    ModelRouter* const inner_;
    const std::function<void(std::string)> tell_;
  };

  constexpr int kItems = 500;
  dispatch_.window.size = 16;
  dispatch_.window.wait = absl::Milliseconds(1);
  dispatch_.concurrency = 8;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    const auto tell = [&](const std::string& line) {
      if (write(ends[1], line.data(), line.size()) < 0) _exit(3);
    };
    router_.SetAnswer("m", {.pieces = {"x"}, .pace = absl::Milliseconds(1)});
    TellingRouter router(&router_, tell);
    Machine machine(store_, dispatch_, &router, &sessions_, RealClock());
    const auto batch = machine.Submit(Header("key"), Items(kItems));
    if (!batch.ok()) _exit(1);
    (void)machine.Results(Header(), batch->batch_id(), "", true,
                          [&](const auto& response) {
                            tell("R" + response.result().custom_id() + "\n");
                          });
    _exit(2);
  }
  close(ends[1]);
  std::string told;
  char buffer[4096];
  size_t results = 0;
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    told.append(buffer, n);
    results = std::count(told.begin(), told.end(), 'R');
    if (results >= 60) kill(child, SIGKILL);
  }
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  std::set<std::string> answered;
  for (size_t at = 0; at < told.size(); at = told.find('\n', at) + 1) {
    if (told[at] != 'R') continue;
    answered.insert(told.substr(at + 1, told.find('\n', at) - at - 1));
  }
  ASSERT_LT(answered.size(), kItems) << "killed too late";

  clock_.AdvanceTo(absl::Now());
  Start();
  const v1::Batch batch = Submit(Items(1), Header("key"));
  EXPECT_EQ(batch.total_items(), kItems);
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_THAT(Results(batch), SizeIs(kItems));
  EXPECT_EQ(Get(batch).succeeded_items(), kItems);
  std::set<std::string> sent;
  for (const auto& request : router_.requests()) {
    EXPECT_FALSE(answered.contains(TextOf(request)))
        << TextOf(request) << " was answered before";
    EXPECT_TRUE(sent.insert(TextOf(request)).second);
  }
}

TEST_F(BatchAggregatorServiceTest, AnswersEachItemWithItsOwnStatus) {
  Start();
  router_.SetAnswer("bad",
                    {.failed = MakeError(reason::kUpstreamRejected, "no")});
  v1::BatchItem encoded;
  encoded.set_custom_id("encoded");
  encoded.mutable_encoded()->set_dialect("openai_chat");
  encoded.mutable_encoded()->set_body(
      R"({"model":"m","messages":[{"role":"user","content":"hi"}]})");
  const v1::Batch batch = Submit({Item("good"), Item("refused", "bad"),
                                  Item("unknown", "nobody"), encoded});
  EXPECT_EQ(batch.state(), v1::BATCH_STATE_RUNNING);
  const auto results = Results(batch, /*follow=*/true);
  ASSERT_THAT(results, SizeIs(4));
  EXPECT_EQ(results.at("good")
                .answer()
                .typed()
                .choices(0)
                .message()
                .content(0)
                .text()
                .text(),
            "Hello");
  EXPECT_EQ(results.at("good").usage().output_tokens(), 2);
  EXPECT_EQ(results.at("refused").error().detail().reason(),
            "upstream_rejected");
  EXPECT_EQ(results.at("unknown").error().detail().reason(), "model_not_found");
  EXPECT_THAT(results.at("encoded").answer().encoded(), HasSubstr("Hello"));
  const v1::Batch ended = Get(batch);
  EXPECT_EQ(ended.state(), v1::BATCH_STATE_SUCCEEDED);
  EXPECT_EQ(ended.succeeded_items(), 2);
  EXPECT_EQ(ended.failed_items(), 2);
  EXPECT_EQ(ended.usage().output_tokens(), 4);
  EXPECT_EQ(Value("agentgw_batch_items_total", "succeeded"), 2);
  EXPECT_EQ(Value("agentgw_batch_items_total", "failed"), 2);
}

TEST_F(BatchAggregatorServiceTest, SendsOnTheBatchsAccountWithLowPriority) {
  Start();
  ASSERT_TRUE(AwaitEnd(Submit(Items(2))));
  const auto requests = router_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].context().priority(), common::v1::PRIORITY_BATCH);
  EXPECT_EQ(requests[0].context().account().tenant(), "acme");
  EXPECT_EQ(requests[0].context().account().user(), "alice");
  EXPECT_EQ(requests[0].context().request_id().size(), 36u);
  EXPECT_NE(requests[0].context().request_id(),
            requests[1].context().request_id());
  EXPECT_EQ(requests[0].planned_target(), "fake/m");
  EXPECT_EQ(router_.plans()[0].context().priority(),
            common::v1::PRIORITY_BATCH);
}

TEST_F(BatchAggregatorServiceTest, PlansAFlushOnceBySizeOrWait) {
  dispatch_.window = {.size = 3, .wait = absl::Seconds(5)};
  Start();
  const v1::Batch first = Submit({Item("a"), Item("b")});
  const v1::Batch second = Submit({Item("c"), Item("d")});
  ASSERT_TRUE(AwaitEnd(first));
  ASSERT_TRUE(Await([&] { return router_.plans().size() == 1; }));
  EXPECT_EQ(router_.plans()[0].item_count(), 3);
  EXPECT_GT(router_.plans()[0].total_bytes(), 0);
  EXPECT_FALSE(Get(second).has_end_time());
  EXPECT_EQ(Value("agentgw_batch_queue_depth"), 1);
  ASSERT_TRUE(clock_.AwaitSleepers(1));
  clock_.Advance(absl::Seconds(5));
  ASSERT_TRUE(AwaitEnd(second));
  EXPECT_THAT(router_.plans(), SizeIs(2));
  EXPECT_EQ(Value("agentgw_batch_flushes_total", "size"), 1);
  EXPECT_EQ(Value("agentgw_batch_flushes_total", "wait"), 1);
  EXPECT_EQ(Value("agentgw_batch_size"), 4);
  EXPECT_EQ(Value("agentgw_batch_wait_seconds"), 5);
}

TEST_F(BatchAggregatorServiceTest, SendsEqualItemsOnce) {
  dispatch_.window.size = 4;
  Start();
  std::vector<v1::BatchItem> items(4, Item("same"));
  for (int i = 0; i < 4; ++i) items[i].set_custom_id(absl::StrCat(i));
  for (int i = 0; i < 3; ++i) items[i].mutable_typed()->set_temperature(0);
  const v1::Batch batch = Submit(items);
  const auto results = Results(batch, /*follow=*/true);
  EXPECT_THAT(router_.requests(), SizeIs(2));
  int shared = 0;
  for (const auto& [id, result] : results) {
    EXPECT_TRUE(result.has_answer());
    EXPECT_EQ(result.usage().output_tokens(), result.shared() ? 0 : 2);
    shared += result.shared();
  }
  EXPECT_EQ(shared, 2);
  EXPECT_EQ(Get(batch).usage().output_tokens(), 4);
  EXPECT_EQ(Value("agentgw_batch_shared_items_total"), 2);
}

TEST_F(BatchAggregatorServiceTest, TriesAgainWhatTheMeshLost) {
  router_.SetAnswer("m", {.broken = absl::UnavailableError("gone")});
  Start();
  const v1::Batch batch = Submit(Items(1));
  ASSERT_TRUE(Await([&] { return router_.requests().size() == 1; }));
  router_.SetAnswer("m", {});
  ASSERT_TRUE(clock_.AwaitSleepers(1));
  EXPECT_THAT(Results(batch), IsEmpty());
  clock_.Advance(absl::Seconds(2));
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Get(batch).succeeded_items(), 1);
  const auto requests = router_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_NE(requests[0].context().request_id(),
            requests[1].context().request_id());
  EXPECT_EQ(Results(batch).at("0").request_id(),
            requests[1].context().request_id());
  EXPECT_EQ(Value("agentgw_batch_sendings_total"), 2);
  EXPECT_EQ(Value("agentgw_batch_retries_total"), 1);
}

TEST_F(BatchAggregatorServiceTest, WaitsAsLongAsTheProviderAsks) {
  router_.SetAnswer("m", {.pieces = {},
                          .failed = MakeError(reason::kRateLimitExceeded, "")
                                        .RetryAfter(absl::Seconds(40))
                                        .Build()});
  Start();
  const v1::Batch batch = Submit(Items(1));
  ASSERT_TRUE(Await([&] { return clock_.Sleepers() > 0; }));
  EXPECT_GE(clock_.NextWakeup(), clock_.Now() + absl::Seconds(40));
  router_.SetAnswer("m", {});
  clock_.Advance(absl::Minutes(1));
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Get(batch).succeeded_items(), 1);
}

TEST_F(BatchAggregatorServiceTest, GivesUpAfterTheLastAttempt) {
  dispatch_.retry.max_attempts = 3;
  router_.SetAnswer("m", {.broken = absl::UnavailableError("gone")});
  Start();
  const v1::Batch batch = Submit(Items(1));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(clock_.AwaitSleepers(1));
    clock_.AdvanceTo(clock_.NextWakeup());
    ASSERT_TRUE(Await(
        [&] { return static_cast<int>(router_.requests().size()) == i + 2; }));
  }
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Get(batch).failed_items(), 1);
  EXPECT_EQ(Results(batch).at("0").error().code(),
            static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_THAT(router_.requests(), SizeIs(3));
}

TEST_F(BatchAggregatorServiceTest, AnItemEndsWhenItsTimeIsOver) {
  dispatch_.item_timeout = absl::Milliseconds(100);
  router_.SetAnswer("m", {.broken = absl::UnavailableError("gone")});
  Start();
  const v1::Batch batch = Submit(Items(1));
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Get(batch).failed_items(), 1);
  EXPECT_THAT(router_.requests(), SizeIs(1));
}

TEST_F(BatchAggregatorServiceTest, AnItemReadsItsSession) {
  Start();
  session_store::v1::CommitTurnRequest commit;
  *commit.mutable_context() = Header().context();
  session_store::v1::CreateSessionRequest create;
  *create.mutable_context() = Header().context();
  create.set_session_id("s");
  rpc::Call call;
  ASSERT_TRUE(machine_->Run(sessions_.CreateSession(call, create)).ok());
  commit.set_session_id("s");
  commit.mutable_turn()->set_system_text("be brief");
  commit.mutable_turn()->add_request_messages();
  ASSERT_TRUE(machine_->Run(sessions_.CommitTurn(call, commit)).ok());

  v1::BatchItem item = Item("a");
  item.set_session_id("s");
  v1::BatchItem lost = Item("b");
  lost.set_session_id("nowhere");
  const auto results = Results(Submit({item, lost}), /*follow=*/true);
  EXPECT_TRUE(results.at("a").has_answer());
  EXPECT_EQ(results.at("b").error().detail().reason(), "session_not_found");
  ASSERT_THAT(router_.requests(), SizeIs(1));
  const auto session = router_.requests()[0].session();
  EXPECT_EQ(session.turns_size(), 1);
  EXPECT_EQ(session.system_text(), "be brief");
  EXPECT_EQ(session.mode(), model_router::v1::SESSION_MODE_NEW);
  EXPECT_FALSE(router_.requests()[0].want_turn());
  EXPECT_THAT(sessions_.Turns("acme", "alice", "s"), SizeIs(1));
}

TEST_F(BatchAggregatorServiceTest, CancelEndsWhatWaitsAndWhatRuns) {
  router_.SetAnswer("m", {.pieces = {}, .hang = true});
  dispatch_.concurrency = 2;
  Start();
  const v1::Batch batch = Submit(Items(20));
  ASSERT_TRUE(Await([&] { return router_.active() == 2; }));
  const auto cancelled = Cancel(batch);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::BATCH_STATE_CANCELLING);
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Get(batch).state(), v1::BATCH_STATE_CANCELLED);
  EXPECT_EQ(Get(batch).cancelled_items(), 20);
  EXPECT_EQ(router_.cancelled(), 2);
  EXPECT_EQ(router_.active(), 0);
  EXPECT_THAT(Results(batch), SizeIs(20));
  EXPECT_EQ(Cancel(batch)->state(), v1::BATCH_STATE_CANCELLED);
  // There is room for others again.
  router_.SetAnswer("m", {});
  EXPECT_TRUE(AwaitEnd(Submit(Items(3))));
}

TEST_F(BatchAggregatorServiceTest, NoCancelOvertakesItsSubmission) {
  Start();
  // The submission asks for the time right before its commit. Its io thread
  // then stops, so that it does not hear of the end of the commit.
  std::promise<void> go_on;
  boost::asio::io_context& io = machine_->pool().At(1);
  watched_clock_.asked = [&io, stop = go_on.get_future().share()] {
    boost::asio::post(io, [stop] { stop.wait(); });
  };
  watched_clock_.watched.store(&io);
  auto submitted = std::async(std::launch::async, [&] {
    return machine_->Submit(Header("key"), Items(3));
  });
  std::string batch_id;
  ASSERT_TRUE(Await([&] {
    const auto found =
        machine_->repository().FindByKey("acme", "key", absl::Now());
    if (found.ok() && found->has_value()) batch_id = (*found)->batch_id();
    return !batch_id.empty();
  }));
  const auto cancelled =
      machine_->repository().BeginCancel("acme", batch_id, absl::Now());
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  machine_->dispatcher().Cancel(cancelled->number);
  std::promise<void> heard;
  boost::asio::post(machine_->pool().At(0), [&] { heard.set_value(); });
  heard.get_future().wait();
  go_on.set_value();
  const auto batch = submitted.get();
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_TRUE(AwaitEnd(*batch));
  EXPECT_EQ(Get(*batch).state(), v1::BATCH_STATE_CANCELLED);
  EXPECT_EQ(Get(*batch).cancelled_items(), 3);
  EXPECT_THAT(router_.requests(), IsEmpty());
}

TEST_F(BatchAggregatorServiceTest, CancelLeavesEqualItemsOfOtherBatches) {
  router_.SetAnswer("m", {.pieces = {"x"}, .pace = absl::Milliseconds(300)});
  dispatch_.window.size = 2;
  Start();
  v1::BatchItem item = Item("same");
  item.mutable_typed()->set_temperature(0);
  const v1::Batch first = Submit({item});
  const v1::Batch second = Submit({item});
  ASSERT_TRUE(Await([&] { return router_.active() == 1; }));
  ASSERT_TRUE(Cancel(first).ok());
  ASSERT_TRUE(AwaitEnd(first));
  ASSERT_TRUE(AwaitEnd(second));
  EXPECT_EQ(Get(first).cancelled_items(), 1);
  EXPECT_EQ(Get(second).succeeded_items(), 1);
  EXPECT_FALSE(Results(second).at("same").shared());
  EXPECT_THAT(router_.requests(), SizeIs(1));
}

TEST_F(BatchAggregatorServiceTest, TheSameKeyGivesTheSameBatch) {
  Start();
  const v1::Batch batch = Submit(Items(2), Header("key"));
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Submit(Items(5), Header("key")).batch_id(), batch.batch_id());
  EXPECT_THAT(router_.requests(), SizeIs(2));
}

TEST_F(BatchAggregatorServiceTest, ABrokenOrBadBatchIsNotMade) {
  Start();
  rpc::Call call;
  ListSource source(Header(), Items(2000));
  source.BreakWith(absl::CancelledError("gone"));
  EXPECT_FALSE(
      machine_->Run(machine_->service().SubmitBatch(call, source)).ok());
  EXPECT_FALSE(machine_->Submit(Header(), {Item("a"), Item("a")}).ok());
  EXPECT_FALSE(machine_->Submit(Header(), {}).ok());
  v1::ListBatchesRequest list;
  *list.mutable_context() = Header().context();
  EXPECT_EQ(machine_->Run(machine_->service().ListBatches(call, list))
                ->batches_size(),
            0);
  EXPECT_THAT(machine_->repository().LoadUnfinished()->batches, IsEmpty());
}

TEST_F(BatchAggregatorServiceTest, ListsInPages) {
  Start();
  std::vector<std::string> made;
  for (int i = 0; i < 3; ++i) made.push_back(Submit(Items(1)).batch_id());
  rpc::Call call;
  v1::ListBatchesRequest list;
  *list.mutable_context() = Header().context();
  list.set_page_size(2);
  auto page = machine_->Run(machine_->service().ListBatches(call, list));
  ASSERT_EQ(page->batches_size(), 2);
  EXPECT_EQ(page->batches(0).batch_id(), made[2]);
  list.set_page_token(page->next_page_token());
  page = machine_->Run(machine_->service().ListBatches(call, list));
  ASSERT_EQ(page->batches_size(), 1);
  EXPECT_EQ(page->batches(0).batch_id(), made[0]);
  EXPECT_THAT(page->next_page_token(), IsEmpty());
  list.set_page_size(1001);
  EXPECT_FALSE(machine_->Run(machine_->service().ListBatches(call, list)).ok());
}

TEST_F(BatchAggregatorServiceTest, ResultsAreReadFromAnyCursorAlsoAfterwards) {
  Start();
  const v1::Batch batch = Submit(Items(5));
  std::vector<std::string> ids;
  std::vector<std::string> cursors;
  const auto keep = [&](const v1::StreamBatchResultsResponse& response) {
    ids.push_back(response.result().custom_id());
    cursors.push_back(response.cursor());
  };
  ASSERT_TRUE(
      machine_->Results(Header(), batch.batch_id(), "", true, keep).ok());
  ASSERT_THAT(ids, SizeIs(5));
  const std::vector<std::string> live = ids;
  const std::string second = cursors[1];
  Start();
  ids.clear();
  ASSERT_TRUE(
      machine_->Results(Header(), batch.batch_id(), second, true, keep).ok());
  EXPECT_THAT(ids, ElementsAre(live[2], live[3], live[4]));
  EXPECT_EQ(ReasonOf(machine_->Results(Header(), "batch_x", "", true, keep)),
            reason::kBatchNotFound);
  EXPECT_EQ(ReasonOf(machine_->Results(Header("", "other"), batch.batch_id(),
                                       "", true, keep)),
            reason::kBatchNotFound);
  EXPECT_TRUE(absl::IsInvalidArgument(
      machine_->Results(Header(), batch.batch_id(), "x", true, keep)));
}

TEST_F(BatchAggregatorServiceTest, AFlushInFlightGoesOnAfterARestart) {
  router_.SetAnswer("m", {.pieces = {}, .hang = true});
  router_.SetAnswer("quick", {});
  dispatch_.window.size = 2;
  Start();
  const v1::Batch batch = Submit({Item("a"), Item("b"), Item("c"),
                                  Item("d", "quick"), Item("e", "quick")});
  ASSERT_TRUE(Await([&] {
    return router_.active() == 2 && Get(batch).succeeded_items() == 2;
  }));
  Start();
  ASSERT_TRUE(Await([&] { return router_.active() == 2; }));
  std::vector<std::string> sent;
  for (const auto& request : router_.requests()) {
    sent.push_back(TextOf(request));
  }
  EXPECT_THAT(sent, UnorderedElementsAre("a", "b", "d", "e", "a", "b"));
  // The plan was on disk.
  EXPECT_THAT(router_.plans(), SizeIs(2));
  EXPECT_EQ(router_.requests().back().planned_target(), "fake/m");
  EXPECT_EQ(Value("agentgw_batch_flushes_total", "resume"), 1);
  EXPECT_EQ(Value("agentgw_batch_queue_depth"), 1);
  EXPECT_EQ(Get(batch).succeeded_items(), 2);
}

TEST_F(BatchAggregatorServiceTest, AnItemOfTwoFlushesIsSentOnce) {
  dispatch_.window.size = 100;
  Start();
  const v1::Batch batch = Submit(Items(4));
  const uint64_t number = *BatchNumber(batch.batch_id());
  for (const uint32_t first : {0, 1}) {
    ASSERT_TRUE(machine_->repository()
                    .RecordFlush({"acme", "m"}, "fake/m",
                                 {{number, first}, {number, first + 1}})
                    .ok());
  }
  dispatch_.window.size = 1;
  Start();
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Get(batch).succeeded_items(), 4);
  EXPECT_THAT(router_.requests(), SizeIs(4));
  EXPECT_EQ(Value("agentgw_batch_items_total", "succeeded"), 4);
}

TEST_F(BatchAggregatorServiceTest, ADamagedItemFailsAndTheRestGoOn) {
  dispatch_.window.size = 100;
  Start();
  const v1::Batch batch = Submit(Items(6));
  machine_.reset();
  {
    auto database = storage::Database::Open(
        {.path = store_.path,
         .column_families = {"batches", "items", "pending", "results",
                             "meta"}});
    ASSERT_TRUE(database.ok()) << database.status();
    const auto key = [&](uint64_t index) {
      std::string key;
      storage::AppendBigEndian64(key, *BatchNumber(batch.batch_id()));
      storage::AppendBigEndian64(key, index);
      return key;
    };
    rocksdb::WriteBatch damage;
    {
      const auto db = (*database)->Use();
      for (const int index : {1, 3}) {
        damage.Put(db->family(1), key(index), "\xff");
      }
      for (const int index : {2, 3}) {
        damage.Put(db->family(2), key(index), "\xff");
      }
      // One whose body is gone.
      damage.Delete(db->family(1), key(4));
    }
    ASSERT_TRUE((*database)->Write(damage, /*synced=*/true).ok());
  }
  dispatch_.window.size = 1;
  dispatch_.concurrency = 1;
  Start();
  ASSERT_TRUE(AwaitEnd(batch));
  auto results = Results(batch);
  ASSERT_THAT(results, SizeIs(6));
  EXPECT_TRUE(results.at("0").has_answer());
  EXPECT_TRUE(results.at("5").has_answer());
  for (const char* id : {"1", "2", "4", ""}) {
    EXPECT_EQ(results.at(id).error().detail().reason(), reason::kDataLoss)
        << id;
  }
  EXPECT_THAT(results.at("").error().message(), HasSubstr("place 3"));
  EXPECT_EQ(Get(batch).failed_items(), 4);
  EXPECT_EQ(Value("agentgw_batch_items_total", "failed"), 4);
  EXPECT_GE(machine_->repository().Damages(), 4);
  EXPECT_THAT(router_.requests(), SizeIs(2));
}

TEST_F(BatchAggregatorServiceTest, ACancelGoesOnAfterARestart) {
  router_.SetAnswer("m", {.pieces = {}, .hang = true});
  Start();
  const v1::Batch batch = Submit(Items(3));
  ASSERT_TRUE(Await([&] { return router_.active() == 3; }));
  ASSERT_TRUE(machine_->repository()
                  .BeginCancel("acme", batch.batch_id(), clock_.Now())
                  .ok());
  const size_t sent = router_.requests().size();
  Start();
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Get(batch).cancelled_items(), 3);
  EXPECT_THAT(router_.requests(), SizeIs(sent));
}

TEST_F(BatchAggregatorServiceTest, ADrainFlushesTheWindowsAndNothingMore) {
  dispatch_.window = {.size = 3, .wait = absl::Hours(24)};
  dispatch_.concurrency = 1;
  router_.SetAnswer("m", {.pieces = {"x"}, .pace = absl::Milliseconds(20)});
  Start();
  const v1::Batch batch = Submit(Items(2));
  machine_->dispatcher().Drain();
  machine_->service().BeginDrain();
  EXPECT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Value("agentgw_batch_flushes_total", "drain"), 1);
  ASSERT_TRUE(Await([&] { return machine_->dispatcher().Active() == 0; }));
  EXPECT_EQ(ReasonOf(machine_->Submit(Header(), Items(1)).status()),
            reason::kDraining);
}

TEST_F(BatchAggregatorServiceTest, ADrainCountsWhatItIsAboutToFlush) {
  dispatch_.window = {.size = 3, .wait = absl::Hours(24)};
  Start();
  const v1::Batch batch = Submit(Items(2));
  EXPECT_EQ(machine_->dispatcher().Active(), 0u);
  // The io thread is busy: it comes to the flush later.
  std::promise<void> free;
  boost::asio::post(machine_->pool().At(0), [&] { free.get_future().wait(); });
  machine_->dispatcher().Drain();
  EXPECT_GT(machine_->dispatcher().Active(), 0u);
  free.set_value();
  ASSERT_TRUE(Await([&] { return machine_->dispatcher().Active() == 0; }));
  EXPECT_EQ(Get(batch).succeeded_items(), 2);
  EXPECT_THAT(router_.requests(), SizeIs(2));
}

TEST_F(BatchAggregatorServiceTest, ADrainLeavesTheRestToTheNextStart) {
  dispatch_.window = {.size = 2, .wait = absl::Hours(24)};
  dispatch_.concurrency = 1;
  router_.SetAnswer("m", {.pieces = {"x"}, .pace = absl::Milliseconds(50)});
  Start();
  const v1::Batch batch = Submit(Items(20));
  ASSERT_TRUE(Await([&] { return router_.active() == 1; }));
  machine_->dispatcher().Drain();
  // A reader that follows is told to come again.
  EXPECT_EQ(ReasonOf(machine_->Results(Header(), batch.batch_id(), "", true,
                                       [](const auto&) {})),
            reason::kDraining);
  EXPECT_EQ(machine_->dispatcher().Active(), 0u);
  const int64_t before = Get(batch).succeeded_items();
  EXPECT_GE(before, 2);
  EXPECT_LT(before, 10);
  router_.SetAnswer("m", {});
  Start();
  ASSERT_TRUE(AwaitEnd(batch));
  EXPECT_EQ(Get(batch).succeeded_items(), 20);
  EXPECT_THAT(router_.requests(), SizeIs(20));
}

TEST_F(BatchAggregatorServiceTest, ResultsWaitForADiskThatIsFull) {
  store_.env = disk_.env();
  router_.SetAnswer("m", {.pieces = {"x"}, .pace = absl::Milliseconds(200)});
  Start();
  const v1::Batch batch = Submit(Items(2));
  ASSERT_TRUE(Await([&] { return router_.active() == 2; }));
  disk_.SetFull(true);
  ASSERT_TRUE(clock_.AwaitSleepers(1));
  EXPECT_EQ(Get(batch).succeeded_items(), 0);
  EXPECT_EQ(ReasonOf(machine_->Submit(Header(), Items(1)).status()),
            reason::kStorageUnavailable);
  disk_.SetFull(false);
  ASSERT_TRUE(machine_->repository().Repair().ok());
  ASSERT_TRUE(Await([&] {
    clock_.Advance(absl::Seconds(1));
    return Get(batch).has_end_time();
  }));
  EXPECT_EQ(Get(batch).succeeded_items(), 2);
  EXPECT_THAT(router_.requests(), SizeIs(2));
}

TEST_F(BatchAggregatorServiceTest, AnswersOverAHundredItemsASecond) {
  dispatch_.window.size = 32;
  dispatch_.concurrency = 32;
  Start();
  const absl::Time begin = absl::Now();
  const v1::Batch batch = Submit(Items(1024));
  EXPECT_THAT(Results(batch, /*follow=*/true), SizeIs(1024));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  RecordProperty("items_per_second", static_cast<int>(1024 / seconds));
  EXPECT_GT(1024 / seconds, 100);
}

}  // namespace
}  // namespace gateway::batch_aggregator
