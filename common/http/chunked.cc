#include "common/http/chunked.h"

#include <algorithm>
#include <cstring>

namespace gateway::http {
namespace {

// Sizes of 2^48 and more come from no body.
constexpr int kMaxDigits = 12;
// Extensions and trailers of one body together.
constexpr uint32_t kMaxOverhead = 16 * 1024;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsText(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= 0x20 && u != 0x7f) || u == '\t';
}

}  // namespace

ChunkedDecoder::State ChunkedDecoder::Step(char c) {
  switch (state_) {
    case State::kSize: {
      const int digit = HexValue(c);
      if (digit >= 0) {
        if (++digits_ > kMaxDigits) return State::kBad;
        left_ = left_ * 16 + static_cast<uint64_t>(digit);
        return State::kSize;
      }
      if (digits_ == 0) return State::kBad;
      if (c == '\r') return State::kSizeLf;
      return c == ';' ? State::kExtension : State::kBad;
    }
    case State::kExtension:
      if (c == '\r') return State::kSizeLf;
      return IsText(c) && ++overhead_ <= kMaxOverhead ? State::kExtension
                                                      : State::kBad;
    case State::kSizeLf:
      if (c != '\n') return State::kBad;
      digits_ = 0;
      return left_ == 0 ? State::kTrailerStart : State::kPayload;
    case State::kPayloadCr:
      return c == '\r' ? State::kPayloadLf : State::kBad;
    case State::kPayloadLf:
      return c == '\n' ? State::kSize : State::kBad;
    case State::kTrailerStart:
      if (c == '\r') return State::kEndLf;
      [[fallthrough]];
    case State::kTrailer:
      if (c == '\r') return State::kTrailerLf;
      return IsText(c) && ++overhead_ <= kMaxOverhead ? State::kTrailer
                                                      : State::kBad;
    case State::kTrailerLf:
      return c == '\n' ? State::kTrailerStart : State::kBad;
    case State::kEndLf:
      return c == '\n' ? State::kDone : State::kBad;
    default:
      return State::kBad;
  }
}

ChunkedDecoder::Result ChunkedDecoder::Decode(char* data, size_t size) {
  size_t in = 0;
  size_t out = 0;
  while (in < size && state_ != State::kDone && state_ != State::kBad) {
    if (state_ == State::kPayload) {
      const size_t n = std::min<uint64_t>(left_, size - in);
      if (in != out) std::memmove(data + out, data + in, n);
      in += n;
      out += n;
      left_ -= n;
      if (left_ == 0) state_ = State::kPayloadCr;
    } else {
      state_ = Step(data[in++]);
    }
  }
  return {in, out};
}

size_t WriteChunkLine(size_t size, char* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char reversed[16];
  size_t n = 0;
  do {
    reversed[n++] = kDigits[size & 15];
    size >>= 4;
  } while (size != 0);
  for (size_t i = 0; i < n; ++i) out[i] = reversed[n - 1 - i];
  out[n] = '\r';
  out[n + 1] = '\n';
  return n + 2;
}

}  // namespace gateway::http
