#include "tests/fakes/provider/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "tests/fakes/provider/json.h"

namespace fake_provider {
namespace {

void AddText(const char* key, const std::string& value, std::string* json) {
  json->append(",\"").append(key).append("\":\"");
  AppendJsonEscaped(value, json);
  json->push_back('"');
}

void AddNumber(const char* key, long value, std::string* json) {
  json->append(",\"").append(key).append("\":");
  json->append(std::to_string(value));
}

void AddBool(const char* key, bool value, std::string* json) {
  json->append(",\"").append(key).append(value ? "\":true" : "\":false");
}

void AddTime(const char* key, double value, std::string* json) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6f", value);
  json->append(",\"").append(key).append("\":").append(text);
}

}  // namespace

std::string ToJson(const Record& r) {
  std::string json = "{\"id\":" + std::to_string(r.id);
  AddNumber("connection", r.connection, &json);
  AddTime("began", r.began, &json);
  AddTime("ended", r.ended, &json);
  AddText("path", r.path, &json);
  AddText("model", r.model, &json);
  AddText("request_id", r.request_id, &json);
  AddBool("stream", r.stream, &json);
  AddNumber("request_bytes", static_cast<long>(r.request_bytes), &json);
  AddText("body_sha256", r.body_sha256, &json);
  if (!r.body.empty()) AddText("body", r.body, &json);
  AddNumber("prompt_tokens", r.prompt_tokens, &json);
  AddNumber("completion_tokens", r.completion_tokens, &json);
  AddNumber("tokens_sent", r.tokens_sent, &json);
  AddNumber("events_sent", r.events_sent, &json);
  AddNumber("bytes_sent", static_cast<long>(r.bytes_sent), &json);
  AddBool("usage_sent", r.usage_sent, &json);
  AddNumber("status", r.status, &json);
  AddText("outcome", r.outcome, &json);
  return json + "}";
}

Journal::Journal(size_t keep, const std::string& path)
    : keep_(keep), path_(path) {
  if (!path_.empty()) {
    fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  }
}

Journal::~Journal() {
  if (fd_ >= 0) close(fd_);
}

void Journal::Begin(Record* record) {
  if (!wanted()) {
    record->id = next_id_++;
    return;
  }
  std::lock_guard<std::mutex> lock(mu_);
  record->id = next_id_++;
  records_.push_back(*record);
  if (records_.size() > keep_) records_.pop_front();
}

void Journal::End(const Record& record) {
  if (!wanted()) return;
  if (fd_ >= 0) {
    // One write for each line: whole lines even if several threads write.
    std::string line = ToJson(record) + "\n";
    if (write(fd_, line.data(), line.size()) < 0) std::perror("write log");
  }
  std::lock_guard<std::mutex> lock(mu_);
  if (records_.empty() || record.id < records_.front().id) return;
  records_[record.id - records_.front().id] = record;
}

std::string Journal::Json(bool clear) {
  std::lock_guard<std::mutex> lock(mu_);
  std::string json = "[";
  for (const Record& record : records_) {
    if (json.size() > 1) json += ",\n";
    json += ToJson(record);
  }
  if (clear) records_.clear();
  return json + "]";
}

void Journal::Clear() {
  std::lock_guard<std::mutex> lock(mu_);
  records_.clear();
}

std::string Journal::StatsJson() const {
  std::string json = "{\"requests\":" + std::to_string(stats_.requests);
  AddNumber("tokens_in", stats_.tokens_in, &json);
  AddNumber("tokens_out", stats_.tokens_out, &json);
  AddNumber("client_aborts", stats_.client_aborts, &json);
  AddNumber("connections_total", stats_.connections_total, &json);
  AddNumber("connections_open", stats_.connections_open, &json);
  AddNumber("in_flight", stats_.in_flight, &json);
  return json + "}";
}

void Journal::ResetStats() {
  stats_.requests = 0;
  stats_.tokens_in = 0;
  stats_.tokens_out = 0;
  stats_.client_aborts = 0;
  stats_.connections_total = 0;
}

}  // namespace fake_provider
