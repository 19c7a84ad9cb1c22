#ifndef GATEWAY_SERVICES_INGRESS_ARRIVAL_H_
#define GATEWAY_SERVICES_INGRESS_ARRIVAL_H_

#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <string>

namespace gateway::ingress {

// How a request came and how its answer goes. Closed: labels of metrics.
enum class Protocol { kHttp, kSse, kGrpc };
inline constexpr int kProtocols = 3;
absl::string_view ProtocolName(Protocol protocol);

// What was asked for. Closed: labels of metrics, `method` of records.
enum class Method {
  // HTTP.
  kChatCompletions,
  kModels,
  // No request of this API: a wrong path, a broken head.
  kOther,
  // gRPC.
  kChat,
  kStreamChat,
  kConverse,
  kListModels,
  kSessions,
  kBatches,
};
inline constexpr int kMethods = 9;
absl::string_view MethodName(Method method);

// What is known of a request before its body is read. The views live as long
// as the request is handled.
struct Arrival {
  Protocol protocol = Protocol::kHttp;
  Method method = Method::kOther;
  // From NewRequestId.
  std::string request_id;
  absl::Time time;
  // The API key as sent; empty if none was.
  absl::string_view credential;
  absl::string_view user;
  absl::string_view client_request_id;
  absl::string_view traceparent;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_ARRIVAL_H_
