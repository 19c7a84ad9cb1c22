#include "services/model_router/frames.h"

#include <cstdint>
#include <string>
#include <utility>

namespace gateway::model_router {

void AppendFrame(absl::string_view event, v1::Frames& frames) {
  frames.mutable_data()->append(event.data(), event.size());
  frames.add_ends(static_cast<uint32_t>(frames.data().size()));
}

void AppendFrames(const v1::Frames& more, v1::Frames& frames) {
  const uint32_t before = static_cast<uint32_t>(frames.data().size());
  frames.mutable_data()->append(more.data());
  for (const uint32_t end : more.ends()) frames.add_ends(before + end);
}

void PrependRun(v1::RouteEvent earlier, v1::RouteEvent& event) {
  switch (earlier.run_case()) {
    case v1::RouteEvent::kFrames:
      if (event.has_frames()) {
        AppendFrames(event.frames(), *earlier.mutable_frames());
      }
      *event.mutable_frames() = std::move(*earlier.mutable_frames());
      break;
    case v1::RouteEvent::kDeltas:
      if (event.has_deltas()) {
        earlier.mutable_deltas()->MergeFrom(event.deltas());
      }
      *event.mutable_deltas() = std::move(*earlier.mutable_deltas());
      break;
    case v1::RouteEvent::kAnswer:
    case v1::RouteEvent::RUN_NOT_SET:
      break;
  }
}

size_t RunBytes(const v1::RouteEvent& event) {
  switch (event.run_case()) {
    case v1::RouteEvent::kFrames:
      return event.frames().data().size();
    case v1::RouteEvent::kDeltas:
      return event.deltas().ByteSizeLong();
    case v1::RouteEvent::kAnswer:
      return event.answer().ByteSizeLong();
    case v1::RouteEvent::RUN_NOT_SET:
      return 0;
  }
  return 0;
}

}  // namespace gateway::model_router
