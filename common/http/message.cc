#include "common/http/message.h"

#include <absl/strings/match.h>

#include <array>
#include <functional>

namespace gateway::http {
namespace {

constexpr std::array<bool, 256> MakeTokenTable() {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_',
                 '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr std::array<bool, 256> kToken = MakeTokenTable();

}  // namespace

Headers::Headers(std::initializer_list<Header> fields) {
  for (const Header& field : fields) Add(field.name, field.value);
}

void Headers::Add(absl::string_view name, absl::string_view value) {
  // The value may be a view of this very text, which is about to move.
  std::string own;
  if (std::less_equal<const char*>()(text_.data(), value.data()) &&
      std::less<const char*>()(value.data(), text_.data() + text_.size())) {
    own.assign(value.data(), value.size());
    value = own;
  }
  Field field;
  field.name_at = text_.size();
  field.name_size = name.size();
  text_.append(name.data(), name.size());
  field.value_at = text_.size();
  field.value_size = value.size();
  text_.append(value.data(), value.size());
  fields_.push_back(field);
}

void Headers::Set(absl::string_view name, absl::string_view value) {
  Remove(name);
  Add(name, value);
}

void Headers::Remove(absl::string_view name) {
  size_t kept = 0;
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (absl::EqualsIgnoreCase((*this)[i].name, name)) continue;
    fields_[kept++] = fields_[i];
  }
  fields_.resize(kept);
}

std::optional<absl::string_view> Headers::Find(absl::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name_size != name.size()) continue;
    if (absl::EqualsIgnoreCase(
            absl::string_view(text_.data() + field.name_at, field.name_size),
            name)) {
      return absl::string_view(text_.data() + field.value_at, field.value_size);
    }
  }
  return std::nullopt;
}

Header Headers::operator[](size_t i) const {
  const Field& field = fields_[i];
  return {absl::string_view(text_.data() + field.name_at, field.name_size),
          absl::string_view(text_.data() + field.value_at, field.value_size)};
}

void Headers::Clear() {
  text_.clear();
  fields_.clear();
}

absl::string_view Request::path() const {
  absl::string_view rest = target;
  // The absolute form, as a proxy's client writes it.
  if (!rest.empty() && rest[0] != '/') {
    const size_t scheme = rest.find("://");
    if (scheme != absl::string_view::npos) {
      const size_t slash = rest.find_first_of("/?", scheme + 3);
      if (slash == absl::string_view::npos || rest[slash] == '?') return "/";
      rest.remove_prefix(slash);
    }
  }
  return rest.substr(0, rest.find('?'));
}

absl::string_view Request::query() const {
  const absl::string_view rest = target;
  const size_t mark = rest.find('?');
  if (mark == absl::string_view::npos) return {};
  return rest.substr(mark + 1);
}

absl::string_view ReasonPhrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 529:
      return "Overloaded";
    default:
      return "Unknown";
  }
}

bool IsValidHeader(absl::string_view name, absl::string_view value) {
  if (name.empty()) return false;
  for (const char c : name) {
    if (!kToken[static_cast<unsigned char>(c)]) return false;
  }
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    if ((u < 0x20 && u != '\t') || u == 0x7f) return false;
  }
  return true;
}

}  // namespace gateway::http
