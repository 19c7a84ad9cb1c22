// metrics-collector as its senders and operators meet it: over gRPC, on a disk
// that may fail, and away for a while.

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/clients/grpc_metrics_collector.h"
#include "common/metrics/lint.h"
#include "common/process/health.h"
#include "common/rpc/channel.h"
#include "common/status/error.h"
#include "common/telemetry/reporter.h"
#include "services/metrics_collector/server.h"
#include "services/model_router/usage_delivery.h"
#include "services/model_router/usage_spool.h"
#include "tests/support/crash_disk.h"
#include "tests/support/fake_clock.h"
#include "tests/support/running_flow.h"

namespace gateway::metrics_collector {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::UsageRow Row(const std::string& request_id, int64_t output_tokens = 5) {
  v1::UsageRow row;
  row.set_request_id(request_id);
  row.set_attempt(1);
  row.mutable_account()->set_tenant("acme");
  row.mutable_account()->set_user("ann");
  row.set_model("m");
  row.mutable_start_time()->set_seconds(1'800'000'000);
  row.set_outcome(v1::OUTCOME_COMPLETED);
  row.mutable_usage()->set_output_tokens(output_tokens);
  row.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_PROVIDER);
  return row;
}

v1::RequestRecord Record(const std::string& request_id) {
  v1::RequestRecord record;
  record.set_request_id(request_id);
  record.mutable_account()->set_tenant("acme");
  record.mutable_account()->set_user("ann");
  record.mutable_start_time()->set_seconds(1'800'000'000);
  record.set_outcome(v1::OUTCOME_COMPLETED);
  record.set_session_id("s1");
  return record;
}

class MetricsCollectorTest : public testing::Test {
 protected:
  MetricsCollectorTest() {
    std::string pattern = testing::TempDir() + "metrics_collector_XXXXXX";
    path_ = mkdtemp(pattern.data());
    options_.service.data_dir = path_ + "/data";
    options_.service.grpc = {"127.0.0.1", 0};
  }
  ~MetricsCollectorTest() override {
    server_.reset();
    std::filesystem::remove_all(path_);
  }

  absl::Status TryStart() {
    server_ =
        Server::Create(options_, {.io = &io_, .clock = clock_, .env = env_});
    return server_->Start();
  }

  // At the same address each time.
  void Start() {
    const absl::Status started = TryStart();
    ASSERT_TRUE(started.ok()) << started;
    options_.service.grpc.port = static_cast<uint16_t>(server_->grpc_port());
    if (channel_ != nullptr) return;
    channel_ = rpc::MakeChannel(
        {.target = absl::StrCat("127.0.0.1:", server_->grpc_port())});
    usage_ = MakeGrpcUsageRecorder(channel_);
    telemetry_ = MakeGrpcTelemetryReceiver(channel_);
    query_ = MakeGrpcMetricsQuery(channel_);
  }

  // As a process ends.
  void Stop() {
    server_->SetHealth(false, true);
    server_->BeginDrain();
    server_->CancelRemaining();
    server_->Stop();
    server_.reset();
  }

  template <class T, class Interface, class Request>
  absl::StatusOr<T> Call(Interface& service,
                         Awaitable<absl::StatusOr<T>> (Interface::*method)(
                             rpc::Call&, const Request&),
                         const Request& request) {
    // Beyond what a fake clock is advanced.
    rpc::Call call{.deadline = absl::Now() + absl::Hours(24)};
    return RunFlow(io_.Next(), (service.*method)(call, request));
  }

  absl::StatusOr<v1::RecordUsageResponse> RecordRows(
      const std::vector<v1::UsageRow>& rows) {
    v1::RecordUsageRequest request;
    for (const v1::UsageRow& row : rows) *request.add_rows() = row;
    return Call(*usage_, &UsageRecorder::RecordUsage, request);
  }

  // Until the connection that broke with the last server is made again.
  void RecordSoon(const std::vector<v1::UsageRow>& rows) {
    absl::StatusOr<v1::RecordUsageResponse> recorded;
    EXPECT_TRUE(Eventually([&] {
      recorded = RecordRows(rows);
      return recorded.ok();
    })) << recorded.status();
  }

  v1::QueryUsageResponse Ledger() {
    v1::QueryUsageRequest request;
    request.set_include_rows(true);
    request.set_page_size(1000);
    absl::StatusOr<v1::QueryUsageResponse> found;
    EXPECT_TRUE(Eventually([&] {
      found = Call(*query_, &MetricsQuery::QueryUsage, request);
      return found.ok();
    })) << found.status();
    return found.ok() ? *std::move(found) : v1::QueryUsageResponse();
  }

  std::vector<std::string> RowIds() {
    std::vector<std::string> ids;
    const v1::QueryUsageResponse ledger = Ledger();
    for (const auto& row : ledger.rows()) ids.push_back(row.request_id());
    return ids;
  }

  std::vector<v1::RequestRecord> Log() {
    v1::QueryRequestsRequest request;
    request.set_page_size(1000);
    absl::StatusOr<v1::QueryRequestsResponse> found;
    EXPECT_TRUE(Eventually([&] {
      found = Call(*query_, &MetricsQuery::QueryRequests, request);
      return found.ok();
    })) << found.status();
    if (!found.ok()) return {};
    return {found->records().begin(), found->records().end()};
  }

  process::Check Database() {
    const std::vector<process::Check> checks = server_->Checks();
    EXPECT_EQ(checks.size(), 1u);
    return checks.empty() ? process::Check() : checks[0];
  }

  double Value(const std::string& name, const std::string& result = "") {
    for (const auto& family : server_->CollectMetrics()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        if (result.empty()) return metric.gauge.value;
        if (metric.label.at(0).value == result) return metric.counter.value;
      }
    }
    ADD_FAILURE() << "there is no " << name;
    return -1;
  }

  bool ChannelIs(grpc_connectivity_state state) {
    return Eventually([&] { return channel_->GetState(true) == state; });
  }

  Options options_;
  Clock* clock_ = RealClock();
  rocksdb::Env* env_ = nullptr;
  IoPool io_{2};
  std::string path_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<UsageRecorder> usage_;
  std::unique_ptr<TelemetryReceiver> telemetry_;
  std::unique_ptr<MetricsQuery> query_;
};

// A sender of telemetry with a flow of its own.
class Sender {
 public:
  Sender(TelemetryReceiver* receiver, IoPool& io, Clock* clock = RealClock(),
         telemetry::ReporterOptions options =
             {.service = "ingress",
              .flush_interval = absl::Milliseconds(5),
              .beat_interval = absl::Milliseconds(100)})
      : reporter(receiver, clock, options), flow_(io.Next(), Run()) {}
  ~Sender() {
    if (!ended_) Kill();
  }

  // Ends in the middle.
  void Kill() {
    flow_.Cancel();
    flow_.Get();
    ended_ = true;
  }

  // Ends when all is acknowledged.
  void Finish() {
    reporter.Stop();
    flow_.Get();
    ended_ = true;
  }

  telemetry::Reporter reporter;

 private:
  Awaitable<int> Run() {
    co_await reporter.Run();
    co_return 0;
  }

  bool ended_ = false;
  RunningFlow<int> flow_;
};

TEST_F(MetricsCollectorTest, RowsAreStoredOnceAndSummed) {
  Start();
  const auto first = RecordRows({Row("a", 3), Row("b", 4)});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->stored(), 2);
  const auto again = RecordRows({Row("b", 4), Row("c", 5)});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->stored(), 1);
  EXPECT_EQ(again->duplicates(), 1);
  const auto ledger = Ledger();
  ASSERT_EQ(ledger.sums_size(), 1);
  EXPECT_EQ(ledger.sums(0).attempts(), 3);
  EXPECT_EQ(ledger.sums(0).usage().output_tokens(), 12);
  EXPECT_THAT(RowIds(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(Value("agentgw_ledger_rows_total", "stored"), 3);
  EXPECT_EQ(Value("agentgw_ledger_rows_total", "duplicate"), 1);

  v1::UsageRow nameless = Row("d");
  nameless.clear_request_id();
  EXPECT_TRUE(absl::IsInvalidArgument(RecordRows({nameless}).status()));
  EXPECT_EQ(Ledger().rows_size(), 3);
}

TEST_F(MetricsCollectorTest, RecordsReachTheLog) {
  Start();
  Sender sender(telemetry_.get(), io_);
  for (const char* id : {"a", "b"}) sender.reporter.Add(Record(id));
  sender.Finish();
  EXPECT_EQ(sender.reporter.dropped(), 0);
  const auto records = Log();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].request_id(), "b");
  EXPECT_EQ(records[0].session_id(), "s1");
  EXPECT_EQ(Value("agentgw_request_records_total", "stored"), 2);
  EXPECT_GT(Value("agentgw_request_log_bytes"), 0);
}

TEST_F(MetricsCollectorTest, CovertItKeepsNoPerson) {
  options_.covert = true;
  Start();
  ASSERT_TRUE(RecordRows({Row("a")}).ok());
  Sender sender(telemetry_.get(), io_);
  sender.reporter.Add(Record("a"));
  sender.Finish();
  EXPECT_EQ(Ledger().rows(0).account().user(), "");
  const auto records = Log();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].account().user(), "");
  EXPECT_EQ(records[0].session_id(), "");
}

TEST_F(MetricsCollectorTest,
       WhatASilentSenderLeftOpenIsClosedAlsoAfterRestart) {
  FakeClock clock(absl::Now());
  clock_ = &clock;
  Start();
  const std::string id = "open";
  const std::string model = "m";
  const common::v1::Account account;
  telemetry::OpenEntry entry;
  entry.request_id = &id;
  entry.account = &account;
  entry.model = &model;
  entry.start_time = absl::Now();
  {
    Sender sender(telemetry_.get(), io_);
    sender.reporter.Open(entry);
    ASSERT_TRUE(
        Eventually([&] { return Value("agentgw_open_requests") == 1; }));
    sender.Kill();
    sender.reporter.Close(entry);
  }
  Stop();
  Start();
  EXPECT_EQ(Value("agentgw_open_requests"), 1);
  EXPECT_THAT(Log(), IsEmpty());
  clock.Advance(absl::Minutes(1));
  ASSERT_TRUE(Eventually([&] { return Value("agentgw_open_requests") == 0; }));
  const auto records = Log();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].request_id(), "open");
  EXPECT_EQ(records[0].outcome(), v1::OUTCOME_UNKNOWN);
  EXPECT_EQ(records[0].reason(), "lost");
  EXPECT_EQ(Value("agentgw_request_records_total", "lost"), 1);
  server_.reset();
}

TEST_F(MetricsCollectorTest, KeepsAllAcrossARestart) {
  Start();
  ASSERT_TRUE(RecordRows({Row("a")}).ok());
  Sender sender(telemetry_.get(), io_);
  sender.reporter.Add(Record("a"));
  sender.Finish();
  const double bytes = Value("agentgw_request_log_bytes");
  Stop();
  Start();
  RecordSoon({Row("a"), Row("b")});
  EXPECT_THAT(RowIds(), ElementsAre("a", "b"));
  EXPECT_EQ(Log().size(), 1u);
  EXPECT_TRUE(
      Eventually([&] { return Value("agentgw_request_log_bytes") == bytes; }));
}

TEST_F(MetricsCollectorTest, ADirectoryInUseStopsTheStart) {
  Start();
  auto second = Server::Create(options_, {.io = &io_});
  const absl::Status refused = second->Start();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr(options_.service.data_dir));
}

TEST_F(MetricsCollectorTest, ADamagedDirectoryStopsTheStart) {
  Start();
  Stop();
  for (const auto& entry :
       std::filesystem::directory_iterator(options_.service.data_dir)) {
    if (entry.path().filename().string().rfind("MANIFEST-", 0) == 0) {
      std::filesystem::resize_file(entry.path(), 10);
    }
  }
  const absl::Status refused = TryStart();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr(options_.service.data_dir));
}

TEST_F(MetricsCollectorTest, AFullDiskStopsTheStart) {
  CrashDisk disk;
  env_ = disk.env();
  disk.SetFull(true);
  const absl::Status refused = TryStart();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr(options_.service.data_dir));
  server_.reset();
  disk.SetFull(false);
  Start();
  server_.reset();
}

TEST_F(MetricsCollectorTest, AnAddressInUseStopsTheStart) {
  Start();
  Options second = options_;
  second.service.data_dir = path_ + "/second";
  EXPECT_FALSE(Server::Create(second, {.io = &io_})->Start().ok());
}

TEST_F(MetricsCollectorTest, AFullDiskCostsReadinessUntilThereIsRoom) {
  CrashDisk disk;
  env_ = disk.env();
  Start();
  ASSERT_TRUE(RecordRows({Row("a")}).ok());
  EXPECT_EQ(Database().state, process::Check::State::kOk);
  EXPECT_TRUE(ChannelIs(GRPC_CHANNEL_READY));

  disk.SetFull(true);
  const absl::Status failed = RecordRows({Row("b")}).status();
  EXPECT_TRUE(absl::IsUnavailable(failed)) << failed;
  EXPECT_EQ(ReasonOf(failed), reason::kStorageUnavailable);
  EXPECT_EQ(Database().state, process::Check::State::kFailed);
  EXPECT_EQ(Value("agentgw_rocksdb_write_stopped"), 1);
  // The process has gRPC's health follow: the mesh's channels heed it.
  server_->SetHealth(
      process::HealthOf(process::Phase::kServing, server_->Checks(), {}).ready,
      true);
  EXPECT_TRUE(ChannelIs(GRPC_CHANNEL_TRANSIENT_FAILURE));

  disk.SetFull(false);
  ASSERT_TRUE(Eventually(
      [&] { return Database().state == process::Check::State::kOk; }));
  server_->SetHealth(true, true);
  RecordSoon({Row("a"), Row("b")});
  EXPECT_THAT(RowIds(), ElementsAre("a", "b"));
  server_.reset();
}

TEST_F(MetricsCollectorTest, RecordsThatCannotBeStoredAreSentAgain) {
  CrashDisk disk;
  env_ = disk.env();
  Start();
  disk.SetFull(true);
  Sender sender(telemetry_.get(), io_);
  sender.reporter.Add(Record("a"));
  ASSERT_TRUE(Eventually(
      [&] { return Value("agentgw_request_records_total", "failed") >= 1; }));
  disk.SetFull(false);
  ASSERT_TRUE(Eventually([&] { return Log().size() == 1; }));
  sender.Finish();
  EXPECT_EQ(sender.reporter.dropped(), 0);
  server_.reset();
}

// Acknowledged rows after a loss of power.
class PowerLossTest : public MetricsCollectorTest {
 protected:
  size_t RowsAfterPowerLoss() {
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(RecordRows({Row(absl::StrCat("r", i))}).ok());
    }
    disk_.CutPower();
    server_.reset();
    disk_.RestorePower();
    Start();
    return RowIds().size();
  }
  ~PowerLossTest() override { server_.reset(); }

  CrashDisk disk_;
};

TEST_F(PowerLossTest, AcknowledgedRowsSurviveIt) {
  env_ = disk_.env();
  Start();
  EXPECT_EQ(RowsAfterPowerLoss(), 20u);
}

TEST_F(PowerLossTest, ADiskThatDoesNotSyncLosesThem) {
  env_ = disk_.env();
  Start();
  disk_.IgnoreLogSyncs();
  EXPECT_EQ(RowsAfterPowerLoss(), 0u);
}

TEST_F(MetricsCollectorTest, ADrainEndsStreamsAndRefusesCalls) {
  Start();
  Sender sender(telemetry_.get(), io_, RealClock(),
                {.service = "ingress", .beat_interval = absl::Hours(1)});
  ASSERT_TRUE(Eventually([&] { return server_->Active() == 1; }));
  server_->SetHealth(false, true);
  server_->BeginDrain();
  EXPECT_TRUE(Eventually([&] { return server_->Active() == 0; }));
  EXPECT_TRUE(absl::IsUnavailable(RecordRows({Row("a")}).status()));
}

TEST_F(MetricsCollectorTest, ExposesItsMetrics) {
  Start();
  const auto families = server_->CollectMetrics();
  EXPECT_THAT(metrics::Lint(families), IsEmpty());
  std::set<std::string> names;
  for (const auto& family : families) names.insert(family.name);
  EXPECT_THAT(
      names,
      ElementsAre(
          "agentgw_ledger_bytes", "agentgw_ledger_rows_removed_for_size_total",
          "agentgw_ledger_rows_total", "agentgw_open_requests",
          "agentgw_request_log_bytes", "agentgw_request_records_total",
          "agentgw_rocksdb_damages_total", "agentgw_rocksdb_write_stopped",
          "agentgw_rpc_body_bytes", "agentgw_rpc_calls_in_flight",
          "agentgw_rpc_refused_total", "agentgw_rpc_write_timeouts_total"));
}

TEST_F(MetricsCollectorTest, CountsWhatItsPortRefuses) {
  options_.service.max_body_bytes_in_flight = 1000;
  Start();
  ASSERT_TRUE(RecordRows({Row("a")}).ok());
  std::vector<v1::UsageRow> many(100, Row("b"));
  EXPECT_EQ(ReasonOf(RecordRows(many).status()), reason::kOverloaded);
  const auto families = server_->CollectMetrics();
  const auto value = [&](const std::string& name) {
    for (const auto& family : families) {
      if (family.name == name) return family.metric.at(0).counter.value;
    }
    return -1.0;
  };
  EXPECT_EQ(value("agentgw_rpc_refused_total"), 1);
  EXPECT_EQ(value("agentgw_rpc_write_timeouts_total"), 0);
}

// A minute without the collector, as model-router and ingress live through it.
TEST_F(MetricsCollectorTest, AMinuteWithoutItCostsCountedTelemetryOnly) {
  Start();
  FakeClock clock(absl::Now() + absl::Hours(1));
  const std::string directory = path_ + "/spool";
  auto opened =
      model_router::UsageSpool::Open({.directory = directory}, clock.Now());
  ASSERT_TRUE(opened.ok()) << opened.status();
  model_router::UsageSpool& spool = **opened;
  model_router::UsageDelivery delivery(&spool, usage_.get(), &clock);
  auto run = [&]() -> Awaitable<int> {
    co_await delivery.Run();
    co_return 0;
  };
  RunningFlow<int> delivering(io_.Next(), run());
  constexpr int kHeld = 50;
  Sender sender(telemetry_.get(), io_, &clock,
                {.service = "ingress", .queue_size = kHeld});
  int requests = 0;
  const auto handle_request = [&] {
    const std::string id = absl::StrCat("r", requests++);
    auto ticket = spool.Begin(Row(id));
    ASSERT_TRUE(ticket.ok()) << ticket.status();
    spool.End(*ticket, Row(id));
    sender.reporter.Add(Record(id));
  };
  const auto later = [&](auto condition) {
    return Eventually([&] {
      clock.Advance(absl::Milliseconds(200));
      return condition();
    });
  };

  handle_request();
  ASSERT_TRUE(later([&] { return spool.waiting_rows() == 0; }));
  ASSERT_TRUE(later([&] { return Log().size() == 1; }));
  // It is acknowledged when the beat ends.
  clock.Advance(absl::Seconds(10));
  ASSERT_TRUE(later(
      [&] { return Value("agentgw_request_records_total", "stored") == 1; }));

  Stop();
  for (int second = 0; second < 60; ++second) {
    for (int i = 0; i < 5; ++i) handle_request();
    clock.Advance(absl::Seconds(1));
  }
  EXPECT_EQ(spool.waiting_rows(), 300);
  EXPECT_EQ(spool.dropped_rows(), 0);
  const int64_t dropped = sender.reporter.dropped();
  EXPECT_GE(dropped, 300 - kHeld);

  Start();
  ASSERT_TRUE(later([&] { return spool.waiting_rows() == 0; }));
  EXPECT_EQ(spool.bytes(), 0);
  const auto ledger = Ledger();
  ASSERT_EQ(ledger.sums_size(), 1);
  EXPECT_EQ(ledger.sums(0).attempts(), requests);
  EXPECT_EQ(ledger.sums(0).usage().output_tokens(), 5 * requests);
  // What is in the log and what was dropped are all there were.
  ASSERT_TRUE(later([&] {
    return static_cast<int64_t>(Log().size()) + dropped == requests;
  }));
  EXPECT_EQ(sender.reporter.dropped(), dropped);
  delivering.Cancel();
  delivering.Get();
}

}  // namespace
}  // namespace gateway::metrics_collector
