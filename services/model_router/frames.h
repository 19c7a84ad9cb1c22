#ifndef GATEWAY_SERVICES_MODEL_ROUTER_FRAMES_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_FRAMES_H_

#include <absl/strings/string_view.h>

#include "gateway/model_router/v1/model_router.pb.h"

namespace gateway::model_router {

// Adds one complete event to a run.
void AppendFrame(absl::string_view event, v1::Frames& frames);

// Adds the events of `more` behind those of `frames`.
void AppendFrames(const v1::Frames& more, v1::Frames& frames);

// Puts the run of `earlier` in front of that of `event`. Both hold frames, or
// both deltas, or one of them nothing.
void PrependRun(v1::RouteEvent earlier, v1::RouteEvent& event);

// The payload of a run, in bytes.
size_t RunBytes(const v1::RouteEvent& event);

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_FRAMES_H_
