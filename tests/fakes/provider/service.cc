#include "tests/fakes/provider/service.h"

#include <openssl/evp.h>

#include <chrono>

#include "tests/fakes/provider/script.h"

namespace fake_provider {
namespace {

std::string Sha256Hex(std::string_view data) {
  static constexpr char kHex[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex.push_back(kHex[digest[i] >> 4]);
    hex.push_back(kHex[digest[i] & 15]);
  }
  return hex;
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() &&
         text.substr(text.size() - end.size()) == end;
}

Answer NotFound(std::string_view message, Framing framing) {
  return RenderError(404, message, "not_found_error", "\"model_not_found\"", "",
                     framing);
}

}  // namespace

double NowSeconds() {
  return std::chrono::duration<double>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Service::Service(const Options& options)
    : options_(options), journal_(options.keep_records, options.log_path) {}

Answer Service::Handle(Request* request, long connection, Record* record) {
  Framing framing{request->http10, request->keep_alive};
  std::string_view target = request->target;
  if (target.substr(0, 2) == "/_") return Control(*request, framing);
  std::string_view path = target.substr(0, target.find('?'));
  journal_.stats().requests++;
  journal_.stats().in_flight++;
  record->connection = connection;
  record->began = NowSeconds();
  record->path = path;
  record->request_id = request->Header("x-request-id");
  record->request_bytes = request->body.size();
  if (journal_.wanted()) record->body_sha256 = Sha256Hex(request->body);
  if (options_.log_bodies) record->body = request->body;

  Answer answer;
  size_t models = path.find("/models");
  if (!options_.key.empty() &&
      request->Header("authorization") != "Bearer " + options_.key) {
    journal_.Begin(record);
    answer =
        RenderError(401, "Incorrect API key provided.", "authentication_error",
                    "\"invalid_api_key\"", "", framing);
  } else if (EndsWith(path, "/chat/completions")) {
    if (request->method == "POST") {
      answer = Chat(*request, framing, record);
    } else {
      journal_.Begin(record);
      answer = RenderError(405, "Not allowed.", "invalid_request_error",
                           "\"method_not_allowed\"", "", framing);
    }
  } else if (request->method == "GET" && models != std::string_view::npos) {
    journal_.Begin(record);
    std::string_view name = path.substr(models + 7);
    if (!name.empty()) name.remove_prefix(1);
    answer = RenderModels(name, framing);
  } else {
    journal_.Begin(record);
    answer = NotFound("Unknown path.", framing);
  }
  record->status = answer.status;
  record->completion_tokens = answer.completion_tokens;
  std::lock_guard<std::mutex> lock(mu_);
  last_head_ = std::move(request->head);
  last_body_ = std::move(request->body);
  return answer;
}

Answer Service::Chat(const Request& request, Framing framing, Record* record) {
  ChatRequest chat;
  std::string error;
  if (!ReadChatRequest(request.body, &chat, &error)) {
    journal_.Begin(record);
    return RenderError(400, error, "invalid_request_error", "null", "",
                       framing);
  }
  record->model = chat.model;
  record->stream = chat.stream;
  record->prompt_tokens = chat.prompt_tokens;
  journal_.stats().tokens_in += chat.prompt_tokens;
  journal_.Begin(record);
  Script script;
  if (!ParseScript(chat.model, &script)) {
    return NotFound("No such scripted model: " + chat.model, framing);
  }
  if (script.faulty_requests >= 0 &&
      !TakeFault(chat.model, script.faulty_requests)) {
    script.fault = Script::Fault::kNone;
  }
  return RenderChat(script, chat, record->id, framing);
}

bool Service::TakeFault(const std::string& model, int faulty_requests) {
  std::lock_guard<std::mutex> lock(mu_);
  return counts_[model]++ < faulty_requests;
}

Answer Service::Control(const Request& request, Framing framing) {
  constexpr std::string_view kJson = "application/json";
  const std::string& target = request.target;
  if (target == "/_stats") {
    return RenderWhole(200, kJson, journal_.StatsJson(), "", framing);
  }
  if (target == "/_log") {
    return RenderWhole(200, kJson, journal_.Json(false), "", framing);
  }
  if (target == "/_log?clear=1") {
    return RenderWhole(200, kJson, journal_.Json(true), "", framing);
  }
  std::lock_guard<std::mutex> lock(mu_);
  if (target == "/_last") {
    return RenderWhole(200, "application/octet-stream", last_body_, "",
                       framing);
  }
  if (target == "/_last/head") {
    return RenderWhole(200, "text/plain", last_head_, "", framing);
  }
  if (target == "/_reset" && request.method == "POST") {
    counts_.clear();
    last_head_.clear();
    last_body_.clear();
    journal_.Clear();
    journal_.ResetStats();
    return RenderWhole(200, kJson, "{}", "", framing);
  }
  return NotFound("Unknown path.", framing);
}

void Service::Finish(const Record& record) {
  journal_.stats().in_flight--;
  journal_.stats().tokens_out += record.tokens_sent;
  if (record.outcome == "client_gone") journal_.stats().client_aborts++;
  journal_.End(record);
}

}  // namespace fake_provider
