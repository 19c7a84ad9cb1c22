#ifndef GATEWAY_COMMON_DIALECT_ANSWER_ASSEMBLER_H_
#define GATEWAY_COMMON_DIALECT_ANSWER_ASSEMBLER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect {

// Puts a streamed answer together: the deltas of a choice, in order, make its
// message. Text that only text follows becomes one part; a part of another
// kind between two texts keeps them apart. Thread-compatible.
class AnswerAssembler {
 public:
  void Add(const chat::v1::ChatDelta& delta);

  // The choices so far, by index; this is empty afterwards.
  google::protobuf::RepeatedPtrField<chat::v1::Choice> Take();

 private:
  struct Growing {
    chat::v1::Choice choice;
    // Of each call of the choice, its place in the content.
    std::vector<int> calls;
    // The last reasoning part is closed by its signature.
    bool reasoning_closed = false;
  };

  std::map<int32_t, Growing> choices_;
};

// The reverse: `choice` as the fewest deltas that make it.
void AppendDeltas(const chat::v1::Choice& choice,
                  std::vector<chat::v1::ChatDelta>* deltas);

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_ANSWER_ASSEMBLER_H_
