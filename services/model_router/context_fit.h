#ifndef GATEWAY_SERVICES_MODEL_ROUTER_CONTEXT_FIT_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_CONTEXT_FIT_H_

#include <absl/strings/string_view.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <string>

#include "gateway/chat/v1/chat.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"

// How a stored conversation and a request become one prompt. Pure functions.
namespace gateway::model_router {

using Turns = google::protobuf::RepeatedPtrField<v1::StoredTurn>;
using Messages = google::protobuf::RepeatedPtrField<chat::v1::Message>;

// The tokens that a message is likely to cost as part of a prompt: of its
// texts, by EstimateTokens, and of each picture, sound or document a flat
// thousand, whatever its bytes.
int64_t MessageTokens(const chat::v1::Message& message);

// The stored count, or if that is not known the sum of its messages.
int64_t TurnTokens(const v1::StoredTurn& turn);

// How many tokens of a context to keep for the answer. `asked`: the request's
// bound; 0: it names none, so a guess. No more than the model can answer, and
// no more than half of the context: a bound is seldom reached, and must not
// cost the conversation. 0 of the others: not known.
int64_t AnswerReserve(int64_t asked, int64_t max_output_tokens,
                      int64_t context_tokens);

// How many of the oldest `turns` to leave out, so that the rest and
// `other_tokens` (the request itself and the answer it asks for) fit into
// `context_tokens`; 0 of these: not known, so nothing is left out. A tool's
// result stays with its call: a turn that answers calls goes with the turn that
// made them, and what `request` answers is kept even if it does not fit.
int DroppedTurns(const Turns& turns, const Messages& request,
                 int64_t other_tokens, int64_t context_tokens);

// Whether the request's own messages begin with results of earlier calls.
bool BeginsWithToolResult(const Messages& messages);

// Of a request that holds its whole history: the part of it that is stored.
struct CommonPrefix {
  // Turns that the history begins with, each whole.
  int turns = 0;
  // Messages of the history that they cover, system text not counted.
  int messages = 0;
};

// Compares typed messages over whole turns. System and developer messages of
// `history` are skipped, as they are no part of a turn. What a client drops
// from an answer when it sends it back (reasoning, unknown members) does not
// make a difference; texts, calls and results do.
CommonPrefix FindCommonPrefix(const Turns& turns, const Messages& history);

// Whether the message is system text, which comes from each request and is no
// part of a turn.
bool IsSystemText(const chat::v1::Message& message);

// The system texts of `messages`, joined by an empty line. Empty if none.
std::string SystemText(const Messages& messages);

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_CONTEXT_FIT_H_
