#include "services/model_router/mock_provider.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/concurrency/spawn.h"
#include "common/status/error.h"
#include "services/model_router/mock_format.h"

namespace gateway::model_router {
namespace {

// Everything of the prompt, in order.
std::vector<const chat::v1::Message*> PromptOf(
    const ProviderCall& call, const chat::v1::ChatRequest& chat) {
  std::vector<const chat::v1::Message*> prompt(call.stored.begin(),
                                               call.stored.end());
  for (const chat::v1::Message& message : chat.messages()) {
    prompt.push_back(&message);
  }
  return prompt;
}

int64_t TokenBound(const ProviderCall& call,
                   const chat::v1::ChatRequest& chat) {
  const int64_t asked = chat.max_output_tokens();
  const int64_t granted = call.max_output_tokens;
  if (asked == 0 || granted == 0) return asked + granted;
  return std::min(asked, granted);
}

}  // namespace

Awaitable<absl::Status> MockProvider::Call(const ProviderCall& call,
                                           AnswerSink& sink, Answer& answer) {
  MockFormat format(call, clock_.Now());
  const absl::Status read = format.ReadRequest();
  if (!read.ok()) co_return read;
  const absl::Status allowed = call.before_send(absl::OkStatus());
  if (!allowed.ok()) co_return allowed;
  const MockAnswer script =
      ScriptMockAnswer(PromptOf(call, format.chat()), format.chat().tools(),
                       TokenBound(call, format.chat()));
  call.limits->OnHead();
  if (script.fails) {
    answer.other_target = OtherTarget::kYes;
    co_return MakeError(reason::kUpstreamUnavailable,
                        "the mock was told to fail");
  }
  answer.billable = true;
  answer.id = format.id();
  answer.model = call.target->model;

  v1::RouteEvent run;
  format.AddOpening(script, run);
  absl::Time next = clock_.Now() + options_.first_token_delay;
  for (size_t i = 0; i < script.tokens.size(); ++i) {
    if (next > clock_.Now()) {
      if (call.stream && run.run_case() != v1::RouteEvent::RUN_NOT_SET) {
        const absl::Status sent =
            co_await sink.Write(std::exchange(run, {}), i > 0);
        if (!sent.ok()) co_return sent;
      }
      const absl::Time deadline = call.limits->deadline();
      co_await clock_.SleepUntil(std::min(next, deadline));
      const bool cancelled = co_await IsCancelled();
      if (cancelled) co_return ClientClosed();
      if (next > deadline) {
        answer.other_target = OtherTarget::kYes;
        co_return call.limits->TimeoutError();
      }
    }
    next += options_.token_interval;
    format.AddToken(script, i, run);
    ++answer.output_estimate;
    call.limits->OnEvents(clock_.Now(), true);
  }
  answer.usage.set_uncached_input_tokens(script.prompt_tokens);
  answer.usage.set_output_tokens(static_cast<int64_t>(script.tokens.size()));
  answer.has_usage = true;
  answer.finish_reason = script.finish_reason;
  format.Finish(script, answer, std::move(run));
  co_return absl::OkStatus();
}

}  // namespace gateway::model_router
