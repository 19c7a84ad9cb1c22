#ifndef GATEWAY_SERVICES_MODEL_ROUTER_MOCK_FORMAT_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_MOCK_FORMAT_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <optional>
#include <string>

#include "common/dialect/openai_chat/stream_encoder.h"
#include "services/model_router/mock_script.h"
#include "services/model_router/model_provider.h"

namespace gateway::model_router {

// The form of one answer of the mock: typed or encoded, streamed or whole, as
// its call asks. The call outlives it.
class MockFormat {
 public:
  MockFormat(const ProviderCall& call, absl::Time now);

  // First of all. INVALID_ARGUMENT: the body cannot be read.
  absl::Status ReadRequest();
  const chat::v1::ChatRequest& chat() const { return *chat_; }
  // Of the answer: the request's id in another dress.
  const std::string& id() const { return id_; }

  // Of a stream. Whole answers gather nothing on the way.
  void AddOpening(const MockAnswer& script, v1::RouteEvent& run);
  void AddToken(const MockAnswer& script, size_t index, v1::RouteEvent& run);
  // Puts what is left, and the typed message, into `answer`.
  void Finish(const MockAnswer& script, Answer& answer, v1::RouteEvent run);

 private:
  void AddDelta(const chat::v1::ChatDelta& delta, v1::RouteEvent& run);
  chat::v1::ChatResponse WholeAnswer(const MockAnswer& script,
                                     const Answer& answer) const;

  const ProviderCall& call_;
  const absl::Time now_;
  const std::string id_;
  chat::v1::ChatRequest decoded_;
  const chat::v1::ChatRequest* chat_ = nullptr;
  // Only of an encoded stream.
  std::optional<dialect::openai_chat::StreamEncoder> encoder_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_MOCK_FORMAT_H_
