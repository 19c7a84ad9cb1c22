#ifndef GATEWAY_SERVICES_MODEL_ROUTER_MOCK_PROVIDER_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_MOCK_PROVIDER_H_

#include "common/time/clock.h"
#include "services/model_router/mock_script.h"
#include "services/model_router/model_provider.h"

namespace gateway::model_router {

// The built-in provider: answers by itself what ScriptMockAnswer says, typed or
// as openai_chat bytes, one token each `token_interval`.
class MockProvider final : public ModelProvider {
 public:
  // Both outlive it.
  MockProvider(const Provider* options, Clock* clock)
      : options_(*options), clock_(*clock) {}

  Awaitable<absl::Status> Call(const ProviderCall& call, AnswerSink& sink,
                               Answer& answer) override;

 private:
  const Provider& options_;
  Clock& clock_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_MOCK_PROVIDER_H_
