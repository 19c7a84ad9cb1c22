#ifndef GATEWAY_COMMON_DIALECT_FRAMING_H_
#define GATEWAY_COMMON_DIALECT_FRAMING_H_

#include "absl/strings/string_view.h"
#include "gateway/model_router/v1/model_router.pb.h"

namespace gateway::dialect {

// Appends one event to a run. `data` is the event's payload as the provider
// sent it: it goes out byte for byte, each of its lines behind `data: ` in SSE.
// JSON framing knows no `[DONE]`, so that is left out there.
void AppendEvent(absl::string_view data, model_router::v1::Framing framing,
                 model_router::v1::Frames* frames);

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_FRAMING_H_
