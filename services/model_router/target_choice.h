#ifndef GATEWAY_SERVICES_MODEL_ROUTER_TARGET_CHOICE_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_TARGET_CHOICE_H_

#include <absl/container/inlined_vector.h>
#include <absl/strings/string_view.h>

#include <cstdint>

#include "services/model_router/catalogue.h"

namespace gateway::model_router {

using TargetList = absl::InlinedVector<const Target*, 4>;

// What speaks for a target, as `provider/model`. Empty or unknown: nothing.
struct TargetHints {
  // Chosen before, for a whole batch: goes first.
  absl::string_view planned = {};
  // Answered the conversation's last turn, so its prompt cache may be warm:
  // goes first among the model's own targets that have weight.
  absl::string_view last = {};
};

// The place of the routing policy: in which order the targets of `model` are
// tried. Today: what the hints say, then the others in an order drawn by
// weight, then those of weight 0 as the config lists them, then the fallback
// model's, drawn likewise. No target twice.
//
// A pure function: `draw` is the caller's 64 random bits.
TargetList OrderTargets(const Model& model, const TargetHints& hints,
                        uint64_t draw);

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_TARGET_CHOICE_H_
