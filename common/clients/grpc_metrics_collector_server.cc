#include "common/clients/grpc_metrics_collector_server.h"

#include <memory>

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

class UsageRecorderAdapter final
    : public metrics_collector::v1::UsageService::CallbackService {
 public:
  UsageRecorderAdapter(const rpc::ServerBridge& bridge, UsageRecorder* target)
      : bridge_(bridge), target_(target) {}

  grpc::ServerUnaryReactor* RecordUsage(
      grpc::CallbackServerContext* context, const RecordUsageRequest* request,
      RecordUsageResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->RecordUsage(call, *request);
                           });
  }

 private:
  const rpc::ServerBridge bridge_;
  UsageRecorder* const target_;
};

class TelemetryReceiverAdapter final
    : public metrics_collector::v1::TelemetryService::CallbackService {
 public:
  TelemetryReceiverAdapter(const rpc::ServerBridge& bridge,
                           TelemetryReceiver* target)
      : bridge_(bridge), target_(target) {}

  grpc::ServerReadReactor<ReportRequest>* Report(
      grpc::CallbackServerContext* context, ReportResponse* response) override {
    return rpc::ServeClientStream<ReportRequest>(
        bridge_, context, response,
        [this](rpc::Call& call, rpc::Source<ReportRequest>& source) {
          return target_->Report(call, source);
        },
        rpc::DrainRule::kEnd);
  }

 private:
  const rpc::ServerBridge bridge_;
  TelemetryReceiver* const target_;
};

class MetricsQueryAdapter final
    : public metrics_collector::v1::QueryService::CallbackService {
 public:
  MetricsQueryAdapter(const rpc::ServerBridge& bridge, MetricsQuery* target)
      : bridge_(bridge), target_(target) {}

  grpc::ServerUnaryReactor* QueryRequests(
      grpc::CallbackServerContext* context, const QueryRequestsRequest* request,
      QueryRequestsResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->QueryRequests(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* QueryUsage(grpc::CallbackServerContext* context,
                                       const QueryUsageRequest* request,
                                       QueryUsageResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->QueryUsage(call, *request);
                           });
  }

 private:
  const rpc::ServerBridge bridge_;
  MetricsQuery* const target_;
};

}  // namespace

rpc::NamedService MakeUsageRecorderService(const rpc::ServerBridge& bridge,
                                           UsageRecorder* target) {
  return {metrics_collector::v1::UsageService::service_full_name(),
          std::make_shared<UsageRecorderAdapter>(bridge, target)};
}

rpc::NamedService MakeTelemetryReceiverService(const rpc::ServerBridge& bridge,
                                               TelemetryReceiver* target) {
  return {metrics_collector::v1::TelemetryService::service_full_name(),
          std::make_shared<TelemetryReceiverAdapter>(bridge, target)};
}

rpc::NamedService MakeMetricsQueryService(const rpc::ServerBridge& bridge,
                                          MetricsQuery* target) {
  return {metrics_collector::v1::QueryService::service_full_name(),
          std::make_shared<MetricsQueryAdapter>(bridge, target)};
}

}  // namespace gateway
