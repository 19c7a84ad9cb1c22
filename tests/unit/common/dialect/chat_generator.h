#ifndef GATEWAY_TESTS_UNIT_COMMON_DIALECT_CHAT_GENERATOR_H_
#define GATEWAY_TESTS_UNIT_COMMON_DIALECT_CHAT_GENERATOR_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect {

// What a dialect can carry, by its row in docs/dialects.md.
struct ChatShape {
  // Of the OpaqueParts made. Empty: none are.
  std::string dialect;
  bool images = true;
  bool audio = true;
  bool files = true;
  bool refusals = true;
  bool reasoning = true;
  bool call_signatures = true;
  bool custom_calls = true;
  bool logprobs = true;
  // Most choices of an answer.
  int max_choices = 3;
};

// Makes random chats within a shape; the same seed makes the same ones.
class ChatGenerator {
 public:
  ChatGenerator(ChatShape shape, uint32_t seed)
      : shape_(std::move(shape)), random_(seed) {}

  chat::v1::ChatRequest Request();
  chat::v1::ChatResponse Answer();
  chat::v1::Usage Usage();
  // `deltas` with each text cut into pieces at random places.
  std::vector<chat::v1::ChatDelta> CutUp(
      const std::vector<chat::v1::ChatDelta>& deltas);

 private:
  int Below(int bound) { return static_cast<int>(random_() % bound); }
  bool Maybe() { return Below(2) == 0; }
  // Never empty; quotes, controls, surrogate pairs.
  std::string Text();
  std::string Word();
  std::string Bytes();
  std::string Json();
  chat::v1::Message UserMessage();
  chat::v1::Message AssistantMessage(bool answer);
  chat::v1::Message ToolMessage();
  void AddCalls(chat::v1::Message* message);
  std::vector<std::string> Pieces(const std::string& text);

  const ChatShape shape_;
  std::mt19937 random_;
  int next_id_ = 0;
};

}  // namespace gateway::dialect

#endif  // GATEWAY_TESTS_UNIT_COMMON_DIALECT_CHAT_GENERATOR_H_
