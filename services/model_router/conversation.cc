#include "services/model_router/conversation.h"

#include "services/model_router/pricing.h"

namespace gateway::model_router {

Conversation::Conversation(const v1::RouteRequest& request,
                           const Messages& messages)
    : request_(request),
      messages_(messages),
      own_system_text_(SystemText(messages)) {
  for (const chat::v1::Message& message : messages) {
    own_tokens_ += MessageTokens(message);
  }
  if (own_system_text_.empty()) {
    inherited_system_text_ = request.session().system_text();
    own_tokens_ += EstimateTokens(inherited_system_text_.size());
  }
}

bool Conversation::holds_whole_history() const {
  return request_.session().mode() == v1::SESSION_MODE_FULL;
}

void Conversation::Fit(int64_t context_tokens, int64_t answer_tokens) {
  stored_.clear();
  stored_tokens_ = 0;
  dropped_ = 0;
  if (holds_whole_history()) return;
  dropped_ = DroppedTurns(turns(), messages_, own_tokens_ + answer_tokens,
                          context_tokens);
  for (int i = dropped_; i < turns().size(); ++i) {
    stored_tokens_ += TurnTokens(turns()[i]);
    for (const auto* messages :
         {&turns()[i].request_messages(), &turns()[i].answer_messages()}) {
      for (const chat::v1::Message& message : *messages) {
        stored_.push_back(&message);
      }
    }
  }
}

int64_t Conversation::prompt_tokens() const {
  return own_tokens_ + stored_tokens_;
}

v1::NewTurn Conversation::MakeTurn(const chat::v1::Message& answer,
                                   int64_t answer_tokens,
                                   absl::string_view answer_id,
                                   absl::string_view target) const {
  // Of a whole history, what is stored already is no part of the new turn.
  int parent = turns().size();
  int stored_messages = 0;
  if (holds_whole_history()) {
    const CommonPrefix prefix = FindCommonPrefix(turns(), messages_);
    parent = prefix.turns;
    stored_messages = prefix.messages;
  }
  v1::NewTurn turn;
  if (parent > 0) turn.set_parent_turn_id(turns()[parent - 1].turn_id());
  int64_t tokens = answer_tokens;
  int seen = 0;
  for (const chat::v1::Message& message : messages_) {
    if (IsSystemText(message) || seen++ < stored_messages) continue;
    *turn.add_request_messages() = message;
    tokens += MessageTokens(message);
  }
  *turn.add_answer_messages() = answer;
  turn.set_system_text(own_system_text_.empty()
                           ? std::string(inherited_system_text_)
                           : own_system_text_);
  turn.set_token_count(tokens);
  turn.set_answer_id(std::string(answer_id));
  turn.set_target(std::string(target));
  return turn;
}

}  // namespace gateway::model_router
