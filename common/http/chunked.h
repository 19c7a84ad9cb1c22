#ifndef GATEWAY_COMMON_HTTP_CHUNKED_H_
#define GATEWAY_COMMON_HTTP_CHUNKED_H_

#include <cstddef>
#include <cstdint>

namespace gateway::http {

// Takes the chunked coding off a body that arrives in pieces cut anywhere.
// Extensions and trailers are read over, within a bound. Thread-compatible.
class ChunkedDecoder {
 public:
  struct Result {
    // Bytes of the piece that belonged to the body; the rest stands behind it.
    size_t consumed;
    // Payload bytes, now at the front of the piece.
    size_t produced;
  };

  // Decodes a piece in place: the payloads of all its chunks are moved
  // together, so that they can be passed on as one run.
  Result Decode(char* data, size_t size);

  // The last chunk and its trailers have been read.
  bool done() const { return state_ == State::kDone; }
  // Malformed; nothing more is consumed.
  bool bad() const { return state_ == State::kBad; }
  void Reset() { *this = ChunkedDecoder(); }

 private:
  enum class State : uint8_t {
    kSize,
    kExtension,
    kSizeLf,
    kPayload,
    kPayloadCr,
    kPayloadLf,
    kTrailerStart,
    kTrailer,
    kTrailerLf,
    kEndLf,
    kDone,
    kBad,
  };

  // One byte that is not payload.
  State Step(char c);

  State state_ = State::kSize;
  // Digits of the size so far, then bytes of extensions and trailers.
  uint8_t digits_ = 0;
  uint32_t overhead_ = 0;
  uint64_t left_ = 0;
};

// Writes the line in front of a chunk of `size` bytes; returns its length.
inline constexpr size_t kMaxChunkLine = 18;
size_t WriteChunkLine(size_t size, char* out);

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_CHUNKED_H_
