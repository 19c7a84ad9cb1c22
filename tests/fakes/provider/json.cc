#include "tests/fakes/provider/json.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace fake_provider {
namespace {

constexpr int kMaxDepth = 200;

void AppendUtf8(unsigned code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xc0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

unsigned Hex4(std::string_view raw, size_t at) {
  if (at > raw.size()) return 0;
  return std::strtoul(std::string(raw.substr(at, 4)).c_str(), nullptr, 16);
}

}  // namespace

bool JsonCursor::AtEnd() {
  SkipSpace();
  return ok_ && at_ == text_.size();
}

char JsonCursor::Peek() {
  SkipSpace();
  return ok_ && at_ < text_.size() ? text_[at_] : 0;
}

void JsonCursor::SkipSpace() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' ||
                                text_[at_] == '\r' || text_[at_] == '\t')) {
    ++at_;
  }
}

bool JsonCursor::Take(char c) {
  if (Peek() != c) return false;
  ++at_;
  return true;
}

void JsonCursor::Object(
    const std::function<void(std::string_view key)>& field) {
  if (!Take('{') || ++depth_ > kMaxDepth) return Fail();
  if (!Take('}')) {
    do {
      std::string key = String();
      if (!Take(':')) return Fail();
      field(key);
      if (!ok_) return;
    } while (Take(','));
    if (!Take('}')) return Fail();
  }
  --depth_;
}

void JsonCursor::Array(const std::function<void()>& element) {
  if (!Take('[') || ++depth_ > kMaxDepth) return Fail();
  if (!Take(']')) {
    do {
      element();
      if (!ok_) return;
    } while (Take(','));
    if (!Take(']')) return Fail();
  }
  --depth_;
}

std::string_view JsonCursor::RawString() {
  if (!Take('"')) return Fail(), std::string_view();
  size_t from = at_;
  while (true) {
    const void* quote =
        std::memchr(text_.data() + at_, '"', text_.size() - at_);
    if (quote == nullptr) return Fail(), std::string_view();
    at_ = static_cast<const char*>(quote) - text_.data() + 1;
    size_t backslashes = 0;
    while (at_ - 2 - backslashes >= from &&
           text_[at_ - 2 - backslashes] == '\\') {
      ++backslashes;
    }
    if (backslashes % 2 == 0) return text_.substr(from, at_ - 1 - from);
  }
}

std::string JsonCursor::String() { return DecodeJsonString(RawString()); }

bool JsonCursor::Bool() {
  bool value = Peek() == 't';
  Skip();
  return value;
}

long JsonCursor::Integer() {
  Peek();
  size_t from = at_;
  Skip();
  if (!ok_) return 0;
  return std::strtol(std::string(text_.substr(from, at_ - from)).c_str(),
                     nullptr, 10);
}

void JsonCursor::Skip() {
  switch (Peek()) {
    case '{':
      return Object([this](std::string_view) { Skip(); });
    case '[':
      return Array([this] { Skip(); });
    case '"':
      RawString();
      return;
    default:
      break;
  }
  for (std::string_view word : {"true", "false", "null"}) {
    if (text_.substr(at_, word.size()) == word) {
      at_ += word.size();
      return;
    }
  }
  size_t end = text_.find_first_not_of("+-0123456789.eE", at_);
  if (end == std::string_view::npos) end = text_.size();
  if (end == at_) return Fail();
  at_ = end;
}

std::string DecodeJsonString(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    // Whole runs at once: prompts are long and have few escapes.
    size_t end = std::min(raw.find('\\', i), raw.size());
    out.append(raw, i, end - i);
    i = end;
    if (i + 1 >= raw.size()) break;
    char c = raw[++i];
    switch (c) {
      case 'n':
        out.push_back('\n');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'u': {
        unsigned code = Hex4(raw, i + 1);
        i += 4;
        bool high = code >= 0xd800 && code < 0xdc00;
        if (high && i + 6 < raw.size() && raw.substr(i + 1, 2) == "\\u") {
          code = 0x10000 + ((code - 0xd800) << 10) +
                 ((Hex4(raw, i + 3) - 0xdc00) & 0x3ff);
          i += 6;
        }
        AppendUtf8(code, &out);
        break;
      }
      default:
        out.push_back(c);
    }
  }
  return out;
}

void AppendJsonEscaped(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out->append("\\u00");
      out->push_back(kHex[c >> 4]);
      out->push_back(kHex[c & 15]);
    } else {
      out->push_back(c);
    }
  }
}

}  // namespace fake_provider
