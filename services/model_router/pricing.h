#ifndef GATEWAY_SERVICES_MODEL_ROUTER_PRICING_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_PRICING_H_

#include <absl/strings/string_view.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/chat/v1/chat.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"

namespace gateway::model_router {

// 10^-12 US dollars a token. Absent: not known, which is never 0.
struct Price {
  std::optional<int64_t> input = {};
  std::optional<int64_t> output = {};
  std::optional<int64_t> cache_read = {};
  std::optional<int64_t> cache_write_5m = {};
  std::optional<int64_t> cache_write_1h = {};
  // Absent: as output.
  std::optional<int64_t> reasoning = {};
  std::optional<int64_t> audio_input = {};
  std::optional<int64_t> audio_output = {};
};

// What `usage` costs, in integers. Unpriced if it holds tokens whose price is
// not known, or if the sum does not fit in 64 bits: a wrong amount is worse
// than none. Audio input is taken to be part of the uncached input. Counts
// below 0, and parts larger than their whole, are cut to it.
v1::Cost CostOf(const chat::v1::Usage& usage, const Price& price);

// Why a row cannot be right, one text a fault; empty if it can.
std::vector<std::string> PriceFaults(const Price& price);

// All tokens of `usage`.
int64_t InputTokens(const chat::v1::Usage& usage);

// How many tokens so many bytes of text are likely to be: a quarter, rounded
// up. For usage that no provider counted, and for fitting a context.
constexpr int64_t EstimateTokens(int64_t bytes) { return (bytes + 3) / 4; }

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_PRICING_H_
