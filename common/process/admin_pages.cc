#include "common/process/admin_pages.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <iterator>
#include <map>
#include <utility>

#include "common/config/print.h"
#include "common/config/scalar.h"
#include "common/process/memory.h"

namespace gateway::process {
namespace {

namespace json = boost::json;

constexpr absl::string_view kDumps[] = {
    "/config_dump", "/peers", "/sessions/stats", "/logging", "/memory"};
constexpr absl::string_view kChanges[] = {"/logging", "/drain", "/undrain",
                                          "/reload"};

template <class List>
bool Holds(const List& list, absl::string_view path) {
  return std::find(std::begin(list), std::end(list), path) != std::end(list);
}

Page Error(int status, absl::string_view message) {
  return {
      status, "application/json",
      json::serialize(json::object{{"error", std::string(message)}}) + "\n"};
}

// The answer where a path does not take a method, or is none.
Page Refuse(absl::string_view path) {
  const bool dump = Holds(kDumps, path);
  const bool change = Holds(kChanges, path);
  if (!dump && !change) {
    return Error(404, absl::StrCat("GET ", absl::StrJoin(kDumps, " "),
                                   "; POST ", absl::StrJoin(kChanges, " ")));
  }
  Page page = Error(405, "this page does not take that method");
  page.allow = absl::StrCat(dump ? "GET" : "", dump && change ? ", " : "",
                            change ? "POST" : "");
  return page;
}

// A name that a page of the web could not have: it would be the web's.
bool IsLocalName(absl::string_view host) {
  absl::string_view name = host;
  if (absl::StartsWith(name, "[")) return true;
  name = name.substr(0, name.find(':'));
  return name.empty() || name == "localhost" ||
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isdigit(c) || c == '.'; });
}

// `a=b&c=d`; false if a name stands twice or is not among `known`.
bool ParseQuery(absl::string_view query,
                std::initializer_list<absl::string_view> known,
                std::map<std::string, std::string>& values) {
  for (absl::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (!Holds(known, pair.first) || !values.insert(pair).second) return false;
  }
  return true;
}

Page PeersPage(const std::vector<Peer>& peers) {
  json::array list;
  for (const Peer& peer : peers) {
    list.push_back({{"name", peer.name},
                    {"target", peer.target},
                    {"state", peer.state.empty() ? "not asked" : peer.state}});
  }
  return {.body =
              json::serialize(json::object{{"peers", std::move(list)}}) + "\n"};
}

Page StatisticsPage(
    const std::vector<std::pair<std::string, int64_t>>& values) {
  if (values.empty()) return Error(404, "no sessions are kept here");
  json::object page;
  for (const auto& [name, value] : values) page[name] = value;
  return {.body = json::serialize(page) + "\n"};
}

}  // namespace

Awaitable<Page> AdminPages::Answer(const http::Request& request) const {
  const absl::string_view path = request.path();
  if (request.headers.Find("origin") || request.headers.Find("referer") ||
      !IsLocalName(request.headers.Find("host").value_or(""))) {
    co_return Error(403, "not for browsers");
  }
  const bool is_get = request.method == "GET" || request.method == "HEAD";
  if (is_get && Holds(kDumps, path)) {
    if (!request.query().empty()) {
      co_return Error(400, "this page takes no query; POST changes");
    }
    co_return Get(path);
  }
  if (request.method != "POST" || !Holds(kChanges, path)) {
    co_return Refuse(path);
  }
  if (path == "/logging") co_return SetLogging(request.query());
  if (!request.query().empty()) co_return Error(400, "no query is taken");
  Event::Kind kind = Event::Kind::kReload;
  if (path == "/drain") kind = Event::Kind::kDrain;
  if (path == "/undrain") kind = Event::Kind::kUndrain;
  co_return co_await Ask(kind);
}

Page AdminPages::Get(absl::string_view path) const {
  if (path == "/config_dump") {
    return {.content_type = "application/yaml",
            .body = config::ToYaml(*parts_.reloader->running(),
                                   {.defaults = true, .redact = true})};
  }
  if (path == "/peers" || path == "/sessions/stats") return AskService(path);
  if (path == "/logging") return {.body = parts_.levels->Describe()};
  return {.body = MemoryJson()};
}

Page AdminPages::AskService(absl::string_view path) const {
  MutexLock lock(mu_);
  if (service_stops_) return Error(503, "the service stops");
  if (path == "/peers") return PeersPage(parts_.service->PeerStates());
  return StatisticsPage(parts_.service->Statistics());
}

void AdminPages::ServiceStops() {
  MutexLock lock(mu_);
  service_stops_ = true;
}

Page AdminPages::SetLogging(absl::string_view query) const {
  std::map<std::string, std::string> values;
  if (!ParseQuery(query, {"level", "module", "for"}, values)) {
    return Error(400, "level=debug|info|warning|error[&module=NAME][&for=10m]");
  }
  const auto level = log::ParseLevel(values["level"]);
  if (!level) return Error(400, "level: debug, info, warning, error or off");
  absl::Time until = absl::InfiniteFuture();
  if (values.contains("for")) {
    const auto duration = config::ParseDuration(values["for"]);
    if (!duration.ok() || *duration <= absl::ZeroDuration()) {
      return Error(400, "for: a duration such as 90s or 10m");
    }
    until = absl::Now() + *duration;
  }
  if (values.contains("module") && values["module"].empty()) {
    return Error(400, "module: a name");
  }
  parts_.levels->Override(values["module"], *level, until);
  return {.body = parts_.levels->Describe()};
}

Awaitable<Page> AdminPages::Ask(Event::Kind kind) const {
  Control::Outcome outcome = parts_.control->Ask(kind);
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  while (outcome.wait_for(std::chrono::seconds(0)) !=
         std::future_status::ready) {
    timer.expires_after(std::chrono::milliseconds(5));
    const auto [error] = co_await timer.async_wait(
        boost::asio::as_tuple(boost::asio::use_awaitable));
    // The caller left; what it asked for goes on.
    if (error) co_return Error(499, "cancelled");
  }
  const absl::StatusOr<std::string> said = outcome.get();
  if (said.ok()) co_return Page{.body = *said};
  switch (said.status().code()) {
    case absl::StatusCode::kFailedPrecondition:
      co_return Error(409, said.status().message());
    case absl::StatusCode::kUnavailable:
      co_return Error(503, said.status().message());
    default:
      co_return Error(422, said.status().message());
  }
}

}  // namespace gateway::process
