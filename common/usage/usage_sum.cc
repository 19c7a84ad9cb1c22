#include "common/usage/usage_sum.h"

#include <algorithm>

namespace gateway {

void AddTokens(const chat::v1::Usage& usage, chat::v1::Usage& sum) {
  sum.set_uncached_input_tokens(sum.uncached_input_tokens() +
                                usage.uncached_input_tokens());
  sum.set_cached_input_tokens(sum.cached_input_tokens() +
                              usage.cached_input_tokens());
  sum.set_cache_write_5m_tokens(sum.cache_write_5m_tokens() +
                                usage.cache_write_5m_tokens());
  sum.set_cache_write_1h_tokens(sum.cache_write_1h_tokens() +
                                usage.cache_write_1h_tokens());
  sum.set_output_tokens(sum.output_tokens() + usage.output_tokens());
  sum.set_reasoning_tokens(sum.reasoning_tokens() + usage.reasoning_tokens());
  sum.set_audio_input_tokens(sum.audio_input_tokens() +
                             usage.audio_input_tokens());
  sum.set_audio_output_tokens(sum.audio_output_tokens() +
                              usage.audio_output_tokens());
}

void AddUsage(const chat::v1::Usage& usage, chat::v1::Usage& sum) {
  AddTokens(usage, sum);
  sum.set_source(std::max(sum.source(), usage.source()));
}

}  // namespace gateway
