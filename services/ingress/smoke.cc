#include "services/ingress/smoke.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <absl/time/clock.h>

#include <cstdio>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <utility>

#include "common/clients/request_id.h"
#include "common/concurrency/io_pool.h"
#include "common/concurrency/spawn.h"
#include "common/config/secret.h"
#include "common/http/client.h"
#include "common/status/macros.h"
#include "services/ingress/smoke_grpc.h"

namespace gateway::ingress {
namespace {

constexpr size_t kMaxAnswerBytes = 1 << 20;

struct Reply {
  int status = 0;
  std::string turn;  // x-session-turn
  std::string body;
};

// What the steps share.
struct Mesh {
  http::Origin http;
  std::string grpc_target;
  std::string key;  // empty: none
  std::string model;
  absl::Duration timeout;
};

Awaitable<void> Chat(http::Client& client, const Mesh& mesh, bool stream,
                     const std::string& session,
                     absl::StatusOr<Reply>& result) {
  const std::string body = absl::StrCat(
      R"({"model":")", mesh.model, R"(",)", stream ? R"("stream":true,)" : "",
      R"("messages":[{"role":"user","content":"Hello"}]})");
  const absl::string_view segment = body;
  http::Headers headers;
  headers.Add("content-type", "application/json");
  if (!mesh.key.empty()) {
    headers.Add("authorization", absl::StrCat("Bearer ", mesh.key));
  }
  if (!session.empty()) headers.Add("x-session-id", session);
  http::ClientRequest request;
  request.origin = &mesh.http;
  request.target = "/v1/chat/completions";
  request.headers = &headers;
  request.body = std::span(&segment, 1);
  request.deadline = absl::Now() + mesh.timeout;
  auto response = co_await client.Send(request);
  if (!response.ok()) {
    result = response.status();
    co_return;
  }
  Reply reply;
  reply.status = response->status();
  reply.turn =
      std::string(response->headers().Find("x-session-turn").value_or(""));
  auto read =
      co_await response->ReadAll(absl::Now() + mesh.timeout, kMaxAnswerBytes);
  if (!read.ok()) {
    result = read.status();
    co_return;
  }
  reply.body = *std::move(read);
  result = std::move(reply);
}

// Asks over HTTP; anything but a 200 is an error.
absl::StatusOr<Reply> Ask(const Mesh& mesh, bool stream,
                          const std::string& session = "") {
  IoPool io(1, "smoke");
  absl::StatusOr<Reply> result = absl::InternalError("no answer");
  {
    std::promise<void> done;
    auto client = std::make_unique<http::Client>(
        io.At(0), http::ClientOptions(), nullptr);
    boost::asio::cancellation_signal never;
    Spawn(io.At(0).get_executor(), Chat(*client, mesh, stream, session, result),
          never.slot(), [&] { done.set_value(); });
    done.get_future().wait();
    io.Stop();
  }
  if (!result.ok()) return result.status();
  if (result->status != 200) {
    return absl::UnavailableError(
        absl::StrCat("status ", result->status, ": ", result->body));
  }
  return result;
}

absl::Status TryWhole(const Mesh& mesh) {
  ASSIGN_OR_RETURN(const Reply reply, Ask(mesh, /*stream=*/false));
  if (!absl::StrContains(reply.body, R"("finish_reason":"stop")")) {
    return absl::UnavailableError(
        absl::StrCat("no whole answer: ", reply.body));
  }
  return absl::OkStatus();
}

absl::Status TryStream(const Mesh& mesh) {
  ASSIGN_OR_RETURN(const Reply reply, Ask(mesh, /*stream=*/true));
  if (!absl::StartsWith(reply.body, "data: ") ||
      !absl::EndsWith(reply.body, "data: [DONE]\n\n")) {
    return absl::UnavailableError(
        absl::StrCat("no whole stream: ", reply.body));
  }
  return absl::OkStatus();
}

absl::Status TrySession(const Mesh& mesh) {
  const std::string session = absl::StrCat("smoke-", NewRequestId());
  for (const char* turn : {"0", "1"}) {
    ASSIGN_OR_RETURN(const Reply reply, Ask(mesh, /*stream=*/false, session));
    if (reply.turn != turn) {
      return absl::UnavailableError(absl::StrCat(
          "after ", turn, " turns the session tells of \"", reply.turn, "\""));
    }
  }
  return DeleteSession({mesh.grpc_target, mesh.key, mesh.timeout}, session);
}

absl::StatusOr<std::string> ReadKey(const process::SmokeOptions& options) {
  config::v1::Secret secret;
  if (!options.key_file.empty()) secret.set_file(options.key_file);
  if (!options.key_env.empty()) secret.set_env(options.key_env);
  if (!secret.has_file() && !secret.has_env()) return std::string();
  auto key = config::ReadSecret(secret);
  if (!key.ok()) return absl::InvalidArgumentError(key.status().message());
  return key;
}

// A listener's own address is asked on loopback.
std::string TargetOr(const std::string& given, const process::Address& own) {
  if (!given.empty()) return given;
  process::Address address = own;
  if (address.host == "0.0.0.0") address.host = "127.0.0.1";
  if (address.host == "::") address.host = "::1";
  return address.ToString();
}

}  // namespace

absl::Status Smoke(const process::ServiceOptions& service,
                   const process::SmokeOptions& options) {
  Mesh mesh;
  const std::string http = TargetOr(options.http_target, service.http);
  auto origin = http::ParseOrigin(absl::StrCat("http://", http));
  if (!origin.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--http-target ", http, ": write host:port"));
  }
  mesh.http = *origin;
  mesh.grpc_target = TargetOr(options.grpc_target, service.grpc);
  mesh.model = options.model;
  mesh.timeout = absl::Seconds(options.timeout_seconds);
  ASSIGN_OR_RETURN(mesh.key, ReadKey(options));

  const GrpcSmoke grpc{mesh.grpc_target, mesh.key, mesh.timeout};
  const std::pair<const char*, std::function<absl::Status()>> steps[] = {
      {"answer over HTTP", [&] { return TryWhole(mesh); }},
      {"stream over HTTP", [&] { return TryStream(mesh); }},
      {"stream over gRPC", [&] { return TryGrpcStream(grpc, mesh.model); }},
      {"session of two turns", [&] { return TrySession(mesh); }},
  };
  for (const auto& [name, step] : steps) {
    const absl::Status tried = step();
    if (!tried.ok()) {
      return absl::UnavailableError(absl::StrCat(name, ": ", tried.message()));
    }
    std::printf("%s: ok\n", name);
  }
  return absl::OkStatus();
}

}  // namespace gateway::ingress
