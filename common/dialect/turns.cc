#include "common/dialect/turns.h"

#include <utility>

namespace gateway::dialect {

using Messages = google::protobuf::RepeatedPtrField<chat::v1::Message>;

bool IsSystem(const chat::v1::Message& message) {
  return message.role() == chat::v1::ROLE_SYSTEM ||
         message.role() == chat::v1::ROLE_DEVELOPER;
}

std::string SystemTextOf(const Messages& messages) {
  std::string all;
  for (const chat::v1::Message& message : messages) {
    if (!IsSystem(message)) continue;
    std::string text;
    for (const chat::v1::ContentPart& part : message.content()) {
      if (part.has_text()) text.append(part.text().text());
    }
    if (text.empty()) continue;
    if (!all.empty()) all.append("\n\n");
    all.append(text);
  }
  return all;
}

Messages WithoutSystem(Messages messages) {
  Messages rest;
  rest.Reserve(messages.size());
  for (chat::v1::Message& message : messages) {
    if (!IsSystem(message)) *rest.Add() = std::move(message);
  }
  return rest;
}

}  // namespace gateway::dialect
