#include "common/clients/grpc_batch_aggregator_server.h"

#include <memory>

#include "gateway/batch_aggregator/v1/batch_aggregator.grpc.pb.h"

namespace gateway {

namespace {

using batch_aggregator::v1::Batch;
using batch_aggregator::v1::CancelBatchRequest;
using batch_aggregator::v1::GetBatchRequest;
using batch_aggregator::v1::ListBatchesRequest;
using batch_aggregator::v1::ListBatchesResponse;
using batch_aggregator::v1::StreamBatchResultsRequest;
using batch_aggregator::v1::StreamBatchResultsResponse;
using batch_aggregator::v1::SubmitBatchRequest;

class BatchAggregatorAdapter final
    : public batch_aggregator::v1::BatchService::CallbackService {
 public:
  BatchAggregatorAdapter(const rpc::ServerBridge& bridge,
                         BatchAggregator* target)
      : bridge_(bridge), target_(target) {}

  grpc::ServerReadReactor<SubmitBatchRequest>* SubmitBatch(
      grpc::CallbackServerContext* context, Batch* response) override {
    return rpc::ServeClientStream<SubmitBatchRequest>(
        bridge_, context, response,
        [this](rpc::Call& call, rpc::Source<SubmitBatchRequest>& source) {
          return target_->SubmitBatch(call, source);
        });
  }

  grpc::ServerUnaryReactor* GetBatch(grpc::CallbackServerContext* context,
                                     const GetBatchRequest* request,
                                     Batch* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->GetBatch(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* ListBatches(
      grpc::CallbackServerContext* context, const ListBatchesRequest* request,
      ListBatchesResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->ListBatches(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* CancelBatch(grpc::CallbackServerContext* context,
                                        const CancelBatchRequest* request,
                                        Batch* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->CancelBatch(call, *request);
                           });
  }

  grpc::ServerWriteReactor<StreamBatchResultsResponse>* StreamBatchResults(
      grpc::CallbackServerContext* context,
      const StreamBatchResultsRequest* request) override {
    return rpc::ServeServerStream<StreamBatchResultsResponse>(
        bridge_, context, *request,
        [this, request](rpc::Call& call,
                        rpc::Sink<StreamBatchResultsResponse>& sink) {
          return target_->StreamBatchResults(call, *request, sink);
        },
        rpc::DrainRule::kEnd);
  }

 private:
  const rpc::ServerBridge bridge_;
  BatchAggregator* const target_;
};

}  // namespace

rpc::NamedService MakeBatchAggregatorService(const rpc::ServerBridge& bridge,
                                             BatchAggregator* target) {
  return {batch_aggregator::v1::BatchService::service_full_name(),
          std::make_shared<BatchAggregatorAdapter>(bridge, target)};
}

}  // namespace gateway
