#ifndef GATEWAY_COMMON_DIALECT_ENVELOPE_H_
#define GATEWAY_COMMON_DIALECT_ENVELOPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/dialect/authority.h"

namespace gateway::dialect {

// The largest bound of an answer's tokens that a request may name: what servers
// hold in 32 bits.
inline constexpr int64_t kMaxOutputTokens = 2'147'483'647;

// What the gateway needs to know of a request before it forwards the caller's
// bytes, in whatever dialect they are. Each dialect extends it by the places
// where its splice has to cut.
struct Envelope {
  // The name of a model in the catalogue. Never empty.
  std::string model;
  bool stream = false;
  // The caller wants the usage at the end of a stream.
  bool include_usage = false;
  // The largest bound that the request names; nullopt if it names none.
  std::optional<int64_t> max_output_tokens;
  bool has_tools = false;
  // How many answers are asked for.
  int32_t choice_count = 1;
  std::optional<double> temperature;
  // 1 or more.
  int32_t message_count = 0;
  // The caller resends its history: an assistant message stands anywhere but
  // last. Decides `x-session-mode: auto`.
  bool assistant_anywhere_but_last = false;
  bool has_system_text = false;
  // Of the body, in bytes.
  size_t size = 0;
  // What must be allowed by the route; see CheckAuthority. Usually empty.
  std::vector<AuthorityUse> authority_uses;
};

// Bytes [begin, end) of a body.
struct ByteSpan {
  size_t begin = 0;
  size_t end = 0;

  bool empty() const { return begin == end; }
};

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_ENVELOPE_H_
