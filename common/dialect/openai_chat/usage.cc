#include "common/dialect/openai_chat/usage.h"

#include "common/dialect/json_write.h"

namespace gateway::dialect::openai_chat {
namespace {

constexpr int64_t kMaxTokens = 1'000'000'000;

// nullopt for what cannot be a count.
std::optional<int64_t> Count(JsonRef json) {
  const std::optional<int64_t> count = json.AsInt64();
  if (!count.has_value() || *count < 0 || *count > kMaxTokens) {
    return std::nullopt;
  }
  return count;
}

int64_t Detail(JsonRef json) { return Count(json).value_or(0); }

}  // namespace

std::optional<chat::v1::Usage> DecodeUsage(JsonRef json) {
  const std::optional<int64_t> prompt = Count(json.Get("prompt_tokens"));
  const std::optional<int64_t> completion =
      Count(json.Get("completion_tokens"));
  if (!prompt.has_value() || !completion.has_value() ||
      (*prompt == 0 && *completion == 0)) {
    return std::nullopt;
  }
  const JsonRef input = json.Get("prompt_tokens_details");
  const JsonRef output = json.Get("completion_tokens_details");
  chat::v1::Usage usage;
  usage.set_source(chat::v1::USAGE_SOURCE_PROVIDER);

  int64_t cached = Detail(input.Get("cached_tokens"));
  // DeepSeek's name for it.
  if (cached == 0) cached = Detail(json.Get("prompt_cache_hit_tokens"));
  int64_t written = Detail(input.Get("cache_write_tokens"));
  if (cached + written > *prompt) cached = written = 0;
  usage.set_cached_input_tokens(cached);
  usage.set_cache_write_5m_tokens(written);
  usage.set_uncached_input_tokens(*prompt - cached - written);
  const int64_t audio_in = Detail(input.Get("audio_tokens"));
  if (audio_in <= *prompt) usage.set_audio_input_tokens(audio_in);

  int64_t out = *completion;
  const int64_t reasoning = Detail(output.Get("reasoning_tokens"));
  // Some providers count reasoning beside the completion; their total tells.
  if (reasoning > 0 &&
      Count(json.Get("total_tokens")) == *prompt + *completion + reasoning) {
    out += reasoning;
  }
  usage.set_output_tokens(out);
  if (reasoning <= out) usage.set_reasoning_tokens(reasoning);
  const int64_t audio_out = Detail(output.Get("audio_tokens"));
  if (audio_out <= out) usage.set_audio_output_tokens(audio_out);
  return usage;
}

std::optional<chat::v1::Usage> FindUsage(absl::string_view body) {
  const std::optional<JsonRef> json = ParseJson(body);
  if (!json.has_value()) return std::nullopt;
  return DecodeUsage(json->Get("usage"));
}

void WriteUsage(const chat::v1::Usage& usage, std::string* out) {
  const int64_t written =
      usage.cache_write_5m_tokens() + usage.cache_write_1h_tokens();
  const int64_t prompt =
      usage.uncached_input_tokens() + usage.cached_input_tokens() + written;
  JsonObject object(out);
  object.Int("prompt_tokens", prompt);
  object.Int("completion_tokens", usage.output_tokens());
  object.Int("total_tokens", prompt + usage.output_tokens());
  {
    JsonObject details(object.Member("prompt_tokens_details"));
    details.Int("cached_tokens", usage.cached_input_tokens());
    if (written > 0) details.Int("cache_write_tokens", written);
    details.Int("audio_tokens", usage.audio_input_tokens());
  }
  JsonObject details(object.Member("completion_tokens_details"));
  details.Int("reasoning_tokens", usage.reasoning_tokens());
  details.Int("audio_tokens", usage.audio_output_tokens());
}

}  // namespace gateway::dialect::openai_chat
