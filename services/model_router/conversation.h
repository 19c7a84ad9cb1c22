#ifndef GATEWAY_SERVICES_MODEL_ROUTER_CONVERSATION_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_CONVERSATION_H_

#include <absl/strings/string_view.h>
#include <absl/types/span.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/chat/v1/chat.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/model_router/context_fit.h"

namespace gateway::model_router {

// A request and the stored turns that it continues: what goes in front of its
// messages for a target, and the turn that an answer makes. Belongs to one
// call; `request` and `messages` outlive it.
class Conversation {
 public:
  // `messages`: the request's own, typed. Without a session in the request, all
  // of it is about the request alone.
  Conversation(const v1::RouteRequest& request, const Messages& messages);

  // Chooses the stored turns for a context of so many tokens (0: not known),
  // of which `answer_tokens` are for the answer.
  void Fit(int64_t context_tokens, int64_t answer_tokens);

  // As the last Fit has chosen.
  absl::Span<const chat::v1::Message* const> stored() const { return stored_; }
  int32_t dropped_turns() const { return dropped_; }
  // What the whole prompt is likely to cost.
  int64_t prompt_tokens() const;

  // To go first. Empty if the request has system text of its own.
  absl::string_view system_text() const { return inherited_system_text_; }

  // The turn that `answer` makes.
  v1::NewTurn MakeTurn(const chat::v1::Message& answer, int64_t answer_tokens,
                       absl::string_view answer_id,
                       absl::string_view target) const;

 private:
  bool holds_whole_history() const;
  const Turns& turns() const { return request_.session().turns(); }

  const v1::RouteRequest& request_;
  const Messages& messages_;
  int64_t own_tokens_ = 0;
  std::string own_system_text_;
  absl::string_view inherited_system_text_;
  std::vector<const chat::v1::Message*> stored_;
  int32_t dropped_ = 0;
  int64_t stored_tokens_ = 0;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_CONVERSATION_H_
