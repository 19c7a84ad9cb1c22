#include "common/clients/grpc_batch_aggregator.h"

#include <utility>

#include "common/rpc/client_bridge.h"
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

class GrpcBatchAggregator final : public BatchAggregator {
 public:
  explicit GrpcBatchAggregator(std::shared_ptr<grpc::Channel> channel)
      : stub_(batch_aggregator::v1::BatchService::NewStub(std::move(channel))) {
  }

  Awaitable<absl::StatusOr<Batch>> SubmitBatch(
      rpc::Call& call, rpc::Source<SubmitBatchRequest>& source) override {
    return rpc::CallClientStream(stub_->async(), &Async::SubmitBatch, call,
                                 source);
  }

  Awaitable<absl::StatusOr<Batch>> GetBatch(
      rpc::Call& call, const GetBatchRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::GetBatch, call, request);
  }

  Awaitable<absl::StatusOr<ListBatchesResponse>> ListBatches(
      rpc::Call& call, const ListBatchesRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::ListBatches, call, request);
  }

  Awaitable<absl::StatusOr<Batch>> CancelBatch(
      rpc::Call& call, const CancelBatchRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::CancelBatch, call, request);
  }

  Awaitable<absl::Status> StreamBatchResults(
      rpc::Call& call, const StreamBatchResultsRequest& request,
      rpc::Sink<StreamBatchResultsResponse>& sink) override {
    return rpc::CallServerStream(stub_->async(), &Async::StreamBatchResults,
                                 call, request, sink);
  }

 private:
  using Async =
      batch_aggregator::v1::BatchService::StubInterface::async_interface;

  const std::unique_ptr<batch_aggregator::v1::BatchService::StubInterface>
      stub_;
};

}  // namespace

std::unique_ptr<BatchAggregator> MakeGrpcBatchAggregator(
    std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<GrpcBatchAggregator>(std::move(channel));
}

}  // namespace gateway
