#include "services/ingress/arrival.h"

namespace gateway::ingress {

absl::string_view ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kHttp:
      return "http";
    case Protocol::kSse:
      return "sse";
    case Protocol::kGrpc:
      return "grpc";
  }
  return "http";
}

absl::string_view MethodName(Method method) {
  switch (method) {
    case Method::kChatCompletions:
      return "/v1/chat/completions";
    case Method::kModels:
      return "/v1/models";
    case Method::kOther:
      return "other";
    case Method::kChat:
      return "Chat";
    case Method::kStreamChat:
      return "StreamChat";
    case Method::kConverse:
      return "Converse";
    case Method::kListModels:
      return "ListModels";
    case Method::kSessions:
      return "sessions";
    case Method::kBatches:
      return "batches";
  }
  return "other";
}

}  // namespace gateway::ingress
