#include "common/dialect/json_scan.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gateway::dialect {
namespace {

// The value of a hex digit, or -1.
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hex digits, or -1.
int HexQuad(const char* at) {
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = HexDigit(at[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsHighSurrogate(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool IsLowSurrogate(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

// The character after a backslash, but for `u`.
bool IsShortEscape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
      return true;
    default:
      return false;
  }
}

#if defined(__SSE2__)
// One bit for each byte that ends a plain run of a string: a quote, a
// backslash, a control character.
inline int StopsIn(__m128i bytes) {
  // Unsigned bytes <= 0x1F are those that min leaves as they are.
  const __m128i control =
      _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  return _mm_movemask_epi8(
      _mm_or_si128(control, _mm_or_si128(quote, backslash)));
}
#endif

void AppendUtf8(uint32_t code_point, std::string* out) {
  if (code_point < 0x80) {
    out->push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (code_point >> 6)));
    out->push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else if (code_point < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (code_point >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code_point >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (code_point >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code_point >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((code_point >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  }
}

}  // namespace

absl::string_view JsonTypeName(JsonType type) {
  switch (type) {
    case JsonType::kNull:
      return "null";
    case JsonType::kBool:
      return "a boolean";
    case JsonType::kNumber:
      return "a number";
    case JsonType::kString:
      return "a string";
    case JsonType::kArray:
      return "an array";
    case JsonType::kObject:
      return "an object";
    case JsonType::kInvalid:
      break;
  }
  return "nothing";
}

std::string JsonString::Decode() const {
  if (!escaped) return std::string(raw);
  std::string out;
  out.reserve(raw.size());
  const char* at = raw.data();
  const char* const end = at + raw.size();
  while (at < end) {
    const char* slash =
        static_cast<const char*>(std::memchr(at, '\\', end - at));
    if (slash == nullptr) slash = end;
    out.append(at, slash - at);
    at = slash;
    if (at == end) break;
    // The scanner has seen that each escape is whole.
    switch (at[1]) {
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'u': {
        uint32_t code_point = HexQuad(at + 2);
        if (IsHighSurrogate(code_point)) {
          const uint32_t low = HexQuad(at + 8);
          code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
          at += 6;
        }
        AppendUtf8(code_point, &out);
        at += 4;
        break;
      }
      default:
        out.push_back(at[1]);
    }
    at += 2;
  }
  return out;
}

bool JsonScanner::Fail(const char* fault) {
  if (fault_ == nullptr) fault_ = fault;
  return false;
}

inline void JsonScanner::SkipSpace() {
  while (at_ < end_ &&
         (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) {
    ++at_;
  }
}

JsonType JsonScanner::Peek() {
  if (!ok()) return JsonType::kInvalid;
  SkipSpace();
  if (at_ == end_) return JsonType::kInvalid;
  switch (*at_) {
    case '{':
      return JsonType::kObject;
    case '[':
      return JsonType::kArray;
    case '"':
      return JsonType::kString;
    case 't':
    case 'f':
      return JsonType::kBool;
    case 'n':
      return JsonType::kNull;
    default:
      return *at_ == '-' || IsDigit(*at_) ? JsonType::kNumber
                                          : JsonType::kInvalid;
  }
}

bool JsonScanner::ScanEscape() {
  // at_ is on the backslash.
  if (end_ - at_ < 2) return Fail("a string is not closed");
  if (IsShortEscape(at_[1])) {
    at_ += 2;
    return true;
  }
  if (at_[1] != 'u') return Fail("a string holds an unknown escape");
  if (end_ - at_ < 6) return Fail("a \\u escape is cut short");
  const int unit = HexQuad(at_ + 2);
  if (unit < 0) return Fail("a \\u escape is not four hex digits");
  if (IsLowSurrogate(unit)) return Fail("a \\u escape is half a pair");
  if (IsHighSurrogate(unit)) {
    if (end_ - at_ < 12 || at_[6] != '\\' || at_[7] != 'u' ||
        !IsLowSurrogate(HexQuad(at_ + 8))) {
      return Fail("a \\u escape is half a pair");
    }
    at_ += 6;
  }
  at_ += 6;
  return true;
}

bool JsonScanner::ScanString(bool* escaped) {
  const char* at = at_;
#if defined(__SSE2__)
  // By blocks of 64 bytes: one bit for each that ends a plain run. An escape is
  // stepped over within its block; text is dense with them.
  __m128i seen = _mm_setzero_si128();
  if (end_ - at >= 16) {
    // Keys and most values are short.
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const int stops = StopsIn(bytes);
    if (stops != 0 && at[__builtin_ctz(stops)] == '"') {
      if (_mm_movemask_epi8(bytes) != 0) non_ascii_ = true;
      at_ = at + __builtin_ctz(stops) + 1;
      return true;
    }
  }
  while (end_ - at >= 64) {
    uint64_t stops = 0;
    for (int i = 0; i < 4; ++i) {
      const __m128i bytes =
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16 * i));
      stops |= static_cast<uint64_t>(StopsIn(bytes)) << (16 * i);
      seen = _mm_or_si128(seen, bytes);
    }
    int next = 64;
    while (stops != 0) {
      const int stop = __builtin_ctzll(stops);
      const char c = at[stop];
      if (c == '"') {
        // Bytes behind it were seen too: a superset only costs a check.
        if (_mm_movemask_epi8(seen) != 0) non_ascii_ = true;
        at_ = at + stop + 1;
        return true;
      }
      if (c != '\\') {
        at_ = at + stop;
        return Fail("a string holds a control character");
      }
      *escaped = true;
      int length = 2;
      if (end_ - at < stop + 2 || !IsShortEscape(at[stop + 1])) {
        at_ = at + stop;
        if (!ScanEscape()) return false;
        length = static_cast<int>(at_ - at) - stop;
      }
      const int after = stop + length;
      if (after >= 64) {
        next = after;
        break;
      }
      stops &= ~uint64_t{0} << after;
    }
    at += next;
  }
  if (_mm_movemask_epi8(seen) != 0) non_ascii_ = true;
#endif
  while (true) {
    while (at < end_ && *at != '"' && *at != '\\' &&
           static_cast<unsigned char>(*at) > 0x1F) {
      if (static_cast<unsigned char>(*at) >= 0x80) non_ascii_ = true;
      ++at;
    }
    at_ = at;
    if (at == end_) return Fail("a string is not closed");
    if (*at == '"') {
      ++at_;
      return true;
    }
    if (*at != '\\') return Fail("a string holds a control character");
    *escaped = true;
    if (!ScanEscape()) return false;
    at = at_;
  }
}

bool JsonScanner::ScanNumber() {
  const char* at = at_;
  if (at < end_ && *at == '-') ++at;
  if (at == end_ || !IsDigit(*at)) return Fail("a number has no digits");
  if (*at == '0') {
    ++at;
  } else {
    while (at < end_ && IsDigit(*at)) ++at;
  }
  if (at < end_ && *at == '.') {
    ++at;
    if (at == end_ || !IsDigit(*at)) return Fail("a number ends in its point");
    while (at < end_ && IsDigit(*at)) ++at;
  }
  if (at < end_ && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at < end_ && (*at == '+' || *at == '-')) ++at;
    if (at == end_ || !IsDigit(*at)) return Fail("an exponent has no digits");
    while (at < end_ && IsDigit(*at)) ++at;
  }
  if (at < end_ && IsDigit(*at)) return Fail("a number begins with 0");
  at_ = at;
  return true;
}

bool JsonScanner::ScanLiteral(absl::string_view literal) {
  if (static_cast<size_t>(end_ - at_) < literal.size() ||
      std::memcmp(at_, literal.data(), literal.size()) != 0) {
    return Fail("a value is expected");
  }
  at_ += literal.size();
  return true;
}

bool JsonScanner::ScanScalar() {
  switch (*at_) {
    case '"': {
      bool escaped = false;
      ++at_;
      return ScanString(&escaped);
    }
    case 't':
      return ScanLiteral("true");
    case 'f':
      return ScanLiteral("false");
    case 'n':
      return ScanLiteral("null");
    default:
      if (*at_ == '-' || IsDigit(*at_)) return ScanNumber();
      return Fail("a value is expected");
  }
}

bool JsonScanner::ReadString(JsonString* value) {
  if (Peek() != JsonType::kString) return Fail("a string is expected");
  ++at_;
  const char* const first = at_;
  value->escaped = false;
  if (!ScanString(&value->escaped)) return false;
  value->raw = absl::string_view(first, at_ - first - 1);
  at_start_ = false;
  return true;
}

bool JsonScanner::ReadNumber(absl::string_view* value) {
  if (Peek() != JsonType::kNumber) return Fail("a number is expected");
  const char* const first = at_;
  if (!ScanNumber()) return false;
  *value = absl::string_view(first, at_ - first);
  return true;
}

bool JsonScanner::ReadBool(bool* value) {
  if (Peek() != JsonType::kBool) return Fail("true or false is expected");
  *value = *at_ == 't';
  return ScanLiteral(*value ? "true" : "false");
}

bool JsonScanner::ReadNull() {
  if (Peek() != JsonType::kNull) return Fail("null is expected");
  return ScanLiteral("null");
}

bool JsonScanner::SkipValue(absl::string_view* raw) {
  if (!ok()) return false;
  SkipSpace();
  const char* const first = at_;
  if (at_ == end_) return Fail("the text ends where a value is expected");
  if (*at_ != '{' && *at_ != '[') {
    if (!ScanScalar()) return false;
  } else {
    // Without recursion: one bit a level says whether it is an object.
    uint64_t is_object[kMaxDepth / 64] = {};
    const int outer = depth_;
    bool expect_value = true;
    while (true) {
      SkipSpace();
      if (at_ == end_) return Fail("the text ends inside a value");
      if (expect_value) {
        if (*at_ != '{' && *at_ != '[') {
          if (!ScanScalar()) return false;
          expect_value = false;
        } else {
          const bool object = *at_ == '{';
          if (depth_ == kMaxDepth) return Fail("the text nests too deeply");
          const uint64_t bit = uint64_t{1} << (depth_ % 64);
          if (object) {
            is_object[depth_ / 64] |= bit;
          } else {
            is_object[depth_ / 64] &= ~bit;
          }
          ++depth_;
          ++at_;
          SkipSpace();
          if (at_ == end_) return Fail("the text ends inside a value");
          if (*at_ == (object ? '}' : ']')) {
            ++at_;
            --depth_;
            expect_value = false;
          } else if (object) {
            bool escaped = false;
            if (*at_ != '"') return Fail("a key is expected");
            ++at_;
            if (!ScanString(&escaped)) return false;
            SkipSpace();
            if (at_ == end_ || *at_ != ':') return Fail("a ':' is expected");
            ++at_;
          }
        }
      } else {
        const int level = depth_ - 1;
        const bool object = (is_object[level / 64] >> (level % 64)) & 1;
        if (*at_ == ',') {
          ++at_;
          expect_value = true;
          if (object) {
            SkipSpace();
            bool escaped = false;
            if (at_ == end_ || *at_ != '"') return Fail("a key is expected");
            ++at_;
            if (!ScanString(&escaped)) return false;
            SkipSpace();
            if (at_ == end_ || *at_ != ':') return Fail("a ':' is expected");
            ++at_;
          }
        } else if (*at_ == (object ? '}' : ']')) {
          ++at_;
          --depth_;
        } else {
          return Fail(object ? "a ',' or '}' is expected"
                             : "a ',' or ']' is expected");
        }
      }
      if (depth_ == outer) break;
    }
  }
  at_start_ = false;
  if (raw != nullptr) *raw = absl::string_view(first, at_ - first);
  return true;
}

bool JsonScanner::BeginObject() {
  if (Peek() != JsonType::kObject) return Fail("an object is expected");
  if (depth_ == kMaxDepth) return Fail("the text nests too deeply");
  ++depth_;
  ++at_;
  at_start_ = true;
  return true;
}

bool JsonScanner::NextMember(JsonString* key) {
  if (!ok()) return false;
  SkipSpace();
  if (at_ == end_) return Fail("the text ends inside an object");
  if (*at_ == '}') {
    ++at_;
    --depth_;
    at_start_ = false;
    return false;
  }
  if (!at_start_) {
    if (*at_ != ',') return Fail("a ',' or '}' is expected");
    ++at_;
    SkipSpace();
  }
  at_start_ = false;
  if (at_ == end_ || *at_ != '"') return Fail("a key is expected");
  ++at_;
  const char* const first = at_;
  key->escaped = false;
  if (!ScanString(&key->escaped)) return false;
  key->raw = absl::string_view(first, at_ - first - 1);
  SkipSpace();
  if (at_ == end_ || *at_ != ':') return Fail("a ':' is expected");
  ++at_;
  return true;
}

bool JsonScanner::BeginArray() {
  if (Peek() != JsonType::kArray) return Fail("an array is expected");
  if (depth_ == kMaxDepth) return Fail("the text nests too deeply");
  ++depth_;
  ++at_;
  at_start_ = true;
  return true;
}

bool JsonScanner::NextElement() {
  if (!ok()) return false;
  SkipSpace();
  if (at_ == end_) return Fail("the text ends inside an array");
  if (*at_ == ']') {
    ++at_;
    --depth_;
    at_start_ = false;
    return false;
  }
  if (!at_start_) {
    if (*at_ != ',') return Fail("a ',' or ']' is expected");
    ++at_;
    SkipSpace();
  }
  at_start_ = false;
  return true;
}

bool JsonScanner::Finish() {
  if (!ok()) return false;
  SkipSpace();
  if (at_ != end_) return Fail("more text follows the value");
  if (non_ascii_ && !IsUtf8(absl::string_view(begin_, end_ - begin_))) {
    return Fail("the text is not UTF-8");
  }
  return true;
}

bool IsUtf8(absl::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

bool ParseInt64(absl::string_view text, int64_t* value) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  if (result.ec == std::errc() && result.ptr == end) return true;
  if (result.ec == std::errc::result_out_of_range) return false;
  double real;
  // 2^53: beyond it a double no longer tells neighbours apart.
  if (!ParseDouble(text, &real) || std::abs(real) > 9007199254740992.0 ||
      real != std::floor(real)) {
    return false;
  }
  *value = static_cast<int64_t>(real);
  return true;
}

bool ParseDouble(absl::string_view text, double* value) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace gateway::dialect
