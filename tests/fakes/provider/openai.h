#ifndef TESTS_FAKES_PROVIDER_OPENAI_H_
#define TESTS_FAKES_PROVIDER_OPENAI_H_

#include <string>
#include <string_view>
#include <vector>

#include "tests/fakes/provider/answer.h"
#include "tests/fakes/provider/script.h"

namespace fake_provider {

// What a chat request says, as far as an answer depends on it.
struct ChatRequest {
  // As it came; outlives this.
  std::string_view body;
  std::string model;
  bool stream = false;
  bool include_usage = false;
  // The key stands there, whatever its value.
  bool has_stream_options = false;
  int max_tokens = -1;
  // Answers wanted; 1 to 16.
  int n = 1;
  std::vector<std::string> roles;
  std::string last_user_text;
  std::vector<std::string> tool_names;
  // One per word of the messages' texts; README.md states the rule.
  int prompt_tokens = 0;
};

// Reads a body of POST /v1/chat/completions. On a fault returns false with a
// message for the client.
bool ReadChatRequest(std::string_view body, ChatRequest* request,
                     std::string* error);

// How the answer is framed.
struct Framing {
  // The client speaks HTTP/1.0: no chunks, the end is the connection's end.
  bool http10 = false;
  bool keep_alive = true;
};

Answer RenderChat(const Script& script, const ChatRequest& request, long id,
                  Framing framing);

// An answer with an HTTP error, or with `status` 200 an error in disguise.
// `code` is JSON: a quoted string, a number or null.
Answer RenderError(int status, std::string_view message, std::string_view type,
                   std::string_view code, std::string_view extra_headers,
                   Framing framing);

Answer RenderWhole(int status, std::string_view content_type,
                   std::string_view body, std::string_view extra_headers,
                   Framing framing);

// GET /v1/models, or with a name GET /v1/models/{id}.
Answer RenderModels(std::string_view name, Framing framing);

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_OPENAI_H_
