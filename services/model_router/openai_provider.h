#ifndef GATEWAY_SERVICES_MODEL_ROUTER_OPENAI_PROVIDER_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_OPENAI_PROVIDER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
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
  static constexpr size_t kMaxErrorBytes = 64 << 10;
  // How long a target that refuses `stream_options` is not sent any.
  static constexpr absl::Duration kRefusalMemory = absl::Hours(1);

  struct Options {
    // Sent as the bearer unless it is empty.
    std::string key;
    // After a run of a stream was handed on, the next one may grow for so long
    // before it is read; the first one never waits.
    absl::Duration coalesce;
    // Target::index is below it.
    size_t target_count = 1;
    // Shared by the providers; null: one of its own for each thread.
    std::shared_ptr<http::Resolver> resolver;
    // Its clients count in it, or each by itself if null.
    std::shared_ptr<http::ClientStats> stats;
  };

  // `io` and `clock` outlive it; calls come from threads of `io`, each of which
  // has its own connections. INVALID_ARGUMENT: the URL cannot be used.
  // NOT_FOUND: the CA file cannot.
  static absl::StatusOr<std::unique_ptr<OpenAiProvider>> Create(
      const Provider& provider, Options options, IoPool& io, Clock* clock);

  // Not while calls run. Connections are closed on their own threads.
  ~OpenAiProvider() override;

  Awaitable<absl::Status> Call(const ProviderCall& call, AnswerSink& sink,
                               Answer& answer) override;

 private:
  OpenAiProvider(http::Origin origin, std::string target, Options options,
                 IoPool& io, Clock* clock);

  struct Sending {
    // What the one before came to.
    absl::Status before;
    bool with_stream_options = false;
    // The last answer put it down to them. Whether rightly, only one to the
    // same request without them can tell.
    bool blamed_stream_options = false;
  };

  Awaitable<absl::Status> Send(const ProviderCall& call, AnswerSink& sink,
                               Answer& answer, Sending& sending);
  void RememberRefusal(const Target& target);
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
  // By Target::index: until when no stream_options are sent, in Unix seconds.
  std::vector<std::atomic<int64_t>> refused_until_;
  IoPool& io_;
  Clock& clock_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_OPENAI_PROVIDER_H_
