#ifndef GATEWAY_SERVICES_INGRESS_CONTENTS_H_
#define GATEWAY_SERVICES_INGRESS_CONTENTS_H_

#include <absl/strings/string_view.h>

#include <cstddef>
#include <string>

#include "gateway/metrics_collector/v1/metrics_collector.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"

namespace gateway::ingress {

// Which requests' bodies the request log is to keep.
enum class Contents { kOff, kErrors, kAll };

// The bodies of one request, as the client sent and saw them, up to a bound.
// Costs nothing while off. Typed forms are kept as JSON.
class ContentsKeeper {
 public:
  static constexpr size_t kMaxBytes = 256 * 1024;

  explicit ContentsKeeper(Contents contents) : contents_(contents) {}

  // A run or a whole answer that is about to go out.
  void AddAnswer(const model_router::v1::RouteEvent& event);

  // Puts them into `record` if they are wanted for its outcome.
  void Fill(const model_router::v1::RouteRequest& request,
            metrics_collector::v1::RequestRecord& record);

 private:
  void Append(absl::string_view text);

  const Contents contents_;
  std::string answer_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_CONTENTS_H_
