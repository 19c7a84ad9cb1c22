#ifndef GATEWAY_SERVICES_MODEL_ROUTER_OPENAI_PROVIDER_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_OPENAI_PROVIDER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "common/concurrency/io_pool.h"
#include "common/http/client.h"
#include "common/time/clock.h"
#include "services/model_router/model_provider.h"

namespace gateway::model_router {

// A provider that speaks Chat Completions over HTTP or HTTPS. An encoded
// request goes out as the caller's bytes with what must change spliced in, and
// its answer comes back as the provider's; a typed one is translated both ways.
class OpenAiProvider final : public ModelProvider {
 public:
  // Of a whole answer, and of an error's body.
  static constexpr size_t kMaxAnswerBytes = 64 << 20;
  static constexpr size_t kMaxErrorBytes = 64 << 10;

  // `key` is sent as the bearer unless it is empty. `io` and `clock` outlive
  // it; calls come from threads of `io`, each of which has its own connections.
  // INVALID_ARGUMENT: the URL or the CA file cannot be used.
  // After a run of a stream was handed on, the next one may grow for so long as
  // `coalesce` before it is read; the first one never waits.
  static absl::StatusOr<std::unique_ptr<OpenAiProvider>> Create(
      const Provider& options, const std::string& key, absl::Duration coalesce,
      IoPool& io, Clock* clock);

  // Not while calls run. Connections are closed on their own threads.
  ~OpenAiProvider() override;

  Awaitable<absl::Status> Call(const ProviderCall& call, AnswerSink& sink,
                               Answer& answer) override;

 private:
  OpenAiProvider(http::Origin origin, std::string target,
                 const std::string& key, absl::Duration coalesce, IoPool& io,
                 Clock* clock);

  Awaitable<absl::Status> RelayStream(http::ResponseStream& response,
                                      const ProviderCall& call,
                                      AnswerSink& sink, Answer& answer);

  const http::Origin origin_;
  // The path of the requests.
  const std::string target_;
  // What every request carries; whole answers and streams.
  http::Headers whole_headers_;
  http::Headers stream_headers_;
  // By io thread.
  std::vector<std::unique_ptr<http::Client>> clients_;
  const absl::Duration coalesce_;
  IoPool& io_;
  Clock& clock_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_OPENAI_PROVIDER_H_
