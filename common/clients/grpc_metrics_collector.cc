#include "common/clients/grpc_metrics_collector.h"

#include <utility>

#include "common/rpc/client_bridge.h"
#include "gateway/metrics_collector/v1/metrics_collector.grpc.pb.h"

namespace gateway {

namespace {

using metrics_collector::v1::QueryRequestsRequest;
using metrics_collector::v1::QueryRequestsResponse;
using metrics_collector::v1::QueryUsageRequest;
using metrics_collector::v1::QueryUsageResponse;
using metrics_collector::v1::RecordUsageRequest;
using metrics_collector::v1::RecordUsageResponse;
using metrics_collector::v1::ReportRequest;
using metrics_collector::v1::ReportResponse;

class GrpcUsageRecorder final : public UsageRecorder {
 public:
  explicit GrpcUsageRecorder(std::shared_ptr<grpc::Channel> channel)
      : stub_(
            metrics_collector::v1::UsageService::NewStub(std::move(channel))) {}

  Awaitable<absl::StatusOr<RecordUsageResponse>> RecordUsage(
      rpc::Call& call, const RecordUsageRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::RecordUsage, call, request);
  }

 private:
  using Async =
      metrics_collector::v1::UsageService::StubInterface::async_interface;

  const std::unique_ptr<metrics_collector::v1::UsageService::StubInterface>
      stub_;
};

class GrpcTelemetryReceiver final : public TelemetryReceiver {
 public:
  explicit GrpcTelemetryReceiver(std::shared_ptr<grpc::Channel> channel)
      : stub_(metrics_collector::v1::TelemetryService::NewStub(
            std::move(channel))) {}

  Awaitable<absl::StatusOr<ReportResponse>> Report(
      rpc::Call& call, rpc::Source<ReportRequest>& source) override {
    return rpc::CallClientStream(stub_->async(), &Async::Report, call, source);
  }

 private:
  using Async =
      metrics_collector::v1::TelemetryService::StubInterface::async_interface;

  const std::unique_ptr<metrics_collector::v1::TelemetryService::StubInterface>
      stub_;
};

class GrpcMetricsQuery final : public MetricsQuery {
 public:
  explicit GrpcMetricsQuery(std::shared_ptr<grpc::Channel> channel)
      : stub_(
            metrics_collector::v1::QueryService::NewStub(std::move(channel))) {}

  Awaitable<absl::StatusOr<QueryRequestsResponse>> QueryRequests(
      rpc::Call& call, const QueryRequestsRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::QueryRequests, call, request);
  }

  Awaitable<absl::StatusOr<QueryUsageResponse>> QueryUsage(
      rpc::Call& call, const QueryUsageRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::QueryUsage, call, request);
  }

 private:
  using Async =
      metrics_collector::v1::QueryService::StubInterface::async_interface;

  const std::unique_ptr<metrics_collector::v1::QueryService::StubInterface>
      stub_;
};

}  // namespace

std::unique_ptr<UsageRecorder> MakeGrpcUsageRecorder(
    std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<GrpcUsageRecorder>(std::move(channel));
}

std::unique_ptr<TelemetryReceiver> MakeGrpcTelemetryReceiver(
    std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<GrpcTelemetryReceiver>(std::move(channel));
}

std::unique_ptr<MetricsQuery> MakeGrpcMetricsQuery(
    std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<GrpcMetricsQuery>(std::move(channel));
}

}  // namespace gateway
