#include "services/model_router/pricing.h"

#include <algorithm>
#include <limits>

namespace gateway::model_router {
namespace {

using Wide = __int128;

// Adds up; forgets the sum once a price is missing.
class Sum {
 public:
  void Add(int64_t tokens, const std::optional<int64_t>& price) {
    if (tokens <= 0) return;
    if (!price) {
      priced_ = false;
      return;
    }
    total_ += static_cast<Wide>(tokens) * *price;
  }

  v1::Cost ToCost() const {
    v1::Cost cost;
    if (!priced_ || total_ > std::numeric_limits<int64_t>::max()) return cost;
    cost.set_pico_usd(static_cast<int64_t>(total_));
    cost.set_priced(true);
    return cost;
  }

 private:
  Wide total_ = 0;
  bool priced_ = true;
};

int64_t Part(int64_t part, int64_t whole) {
  return std::clamp<int64_t>(part, 0, std::max<int64_t>(whole, 0));
}

}  // namespace

v1::Cost CostOf(const chat::v1::Usage& usage, const Price& price) {
  Sum sum;
  const int64_t audio_in =
      Part(usage.audio_input_tokens(), usage.uncached_input_tokens());
  sum.Add(usage.uncached_input_tokens() - audio_in, price.input);
  sum.Add(audio_in, price.audio_input);
  sum.Add(usage.cached_input_tokens(), price.cache_read);
  sum.Add(usage.cache_write_5m_tokens(), price.cache_write_5m);
  sum.Add(usage.cache_write_1h_tokens(), price.cache_write_1h);

  const int64_t reasoning =
      Part(usage.reasoning_tokens(), usage.output_tokens());
  const int64_t audio_out =
      Part(usage.audio_output_tokens(), usage.output_tokens() - reasoning);
  sum.Add(usage.output_tokens() - reasoning - audio_out, price.output);
  sum.Add(reasoning, price.reasoning ? price.reasoning : price.output);
  sum.Add(audio_out, price.audio_output);
  return sum.ToCost();
}

std::vector<std::string> PriceFaults(const Price& price) {
  std::vector<std::string> faults;
  const struct {
    absl::string_view name;
    const std::optional<int64_t>& value;
  } rows[] = {{"input", price.input},
              {"output", price.output},
              {"cacheRead", price.cache_read},
              {"cacheWrite5m", price.cache_write_5m},
              {"cacheWrite1h", price.cache_write_1h},
              {"reasoning", price.reasoning},
              {"audioInput", price.audio_input},
              {"audioOutput", price.audio_output}};
  for (const auto& [name, value] : rows) {
    if (value && *value < 0) {
      faults.push_back(std::string(name) + ": a price is 0 or more");
    }
  }
  if (!price.input) return faults;
  if (price.cache_read && *price.cache_read > *price.input) {
    faults.push_back("cacheRead: at most the input price");
  }
  for (const auto& [name, value] : {rows[3], rows[4]}) {
    if (value &&
        (*value < *price.input ||
         static_cast<Wide>(*value) > static_cast<Wide>(*price.input) * 3)) {
      faults.push_back(std::string(name) +
                       ": from the input price to three times that");
    }
  }
  return faults;
}

int64_t InputTokens(const chat::v1::Usage& usage) {
  return usage.uncached_input_tokens() + usage.cached_input_tokens() +
         usage.cache_write_5m_tokens() + usage.cache_write_1h_tokens();
}

}  // namespace gateway::model_router
