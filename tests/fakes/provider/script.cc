#include "tests/fakes/provider/script.h"

#include <charconv>

namespace fake_provider {
namespace {

constexpr int kMaxEvents = 1000000;

// A name being read from the front; each Take leaves it alone on a mismatch.
class Name {
 public:
  explicit Name(std::string_view text) : text_(text) {}

  bool empty() const { return text_.empty(); }

  bool Take(std::string_view prefix) {
    if (text_.substr(0, prefix.size()) != prefix) return false;
    text_.remove_prefix(prefix.size());
    return true;
  }

  bool TakeInt(int* value) {
    const char* end = text_.data() + text_.size();
    auto parsed = std::from_chars(text_.data(), end, *value);
    if (parsed.ec != std::errc() || *value < 0) return false;
    text_.remove_prefix(parsed.ptr - text_.data());
    return true;
  }

 private:
  std::string_view text_;
};

struct Refusal {
  int status;
  const char* type;
  const char* code;
};

constexpr Refusal kRefusals[] = {
    {400, "invalid_request_error", "invalid_value"},
    {401, "authentication_error", "invalid_api_key"},
    {402, "billing_error", "payment_required"},
    {403, "permission_error", "model_not_allowed"},
    {404, "not_found_error", "model_not_found"},
    {408, "invalid_request_error", "request_timeout"},
    {409, "conflict_error", "conflict"},
    {429, "rate_limit_error", "rate_limit_exceeded"},
    {500, "server_error", "internal"},
    {502, "upstream_error", "bad_gateway"},
    {503, "overloaded_error", "overloaded"},
    {504, "timeout_error", "upstream_timeout"},
    {529, "overloaded_error", "overloaded"},
};

void Refuse(int status, Script* script) {
  script->fault = Script::Fault::kRefuse;
  script->status = status;
  for (const Refusal& refusal : kRefusals) {
    if (refusal.status != status) continue;
    script->error_type = refusal.type;
    script->error_code = refusal.code;
  }
}

void RefuseAs(int status, const char* type, const char* code, Script* script) {
  Refuse(status, script);
  script->error_type = type;
  script->error_code = code;
}

struct Plain {
  const char* name;
  Script::Fault fault;
};

// Faults whose name is all there is to them.
constexpr Plain kPlain[] = {
    {"reset-before", Script::Fault::kResetBefore},
    {"reset-after", Script::Fault::kResetAfter},
    {"blackhole", Script::Fault::kBlackhole},
    {"headers-then-silence", Script::Fault::kHeadersThenSilence},
    {"pings-only", Script::Fault::kPingsOnly},
    {"no-finish", Script::Fault::kNoFinish},
    {"done-no-finish", Script::Fault::kDoneNoFinish},
    {"no-done", Script::Fault::kNoDone},
    {"error-first", Script::Fault::kError},
    {"empty-200", Script::Fault::kEmpty200},
    {"html-200", Script::Fault::kHtml200},
    {"json-error-200", Script::Fault::kJsonError200},
    {"close-after-stream", Script::Fault::kCloseAfterAnswer},
    {"no-usage", Script::Fault::kNoUsage},
    {"usage-extra", Script::Fault::kUsageExtra},
    {"usage-on-finish", Script::Fault::kUsageOnFinish},
    {"null-content", Script::Fault::kNullContent},
    {"finish-abort", Script::Fault::kFinishAbort},
    {"crlf", Script::Fault::kCrlf},
    {"dribble", Script::Fault::kDribble},
    {"no-stream-options", Script::Fault::kNoStreamOptions},
    {"no-stream", Script::Fault::kNoStream},
    {"filter-first", Script::Fault::kFilterFirst},
    {"finish-with-text", Script::Fault::kFinishWithText},
    {"usage-every", Script::Fault::kUsageEvery},
    {"empty-id", Script::Fault::kEmptyId},
};

// Faults followed by the number of content events that come before them.
constexpr Plain kAfter[] = {
    {"reset-after-", Script::Fault::kResetAfter},
    {"stall-after-", Script::Fault::kStallAfter},
    {"cut-after-", Script::Fault::kCutAfter},
    {"cut-mid-event-", Script::Fault::kCutMidEvent},
    {"error-after-", Script::Fault::kError},
    {"bad-json-", Script::Fault::kBadJson},
};

// In which form a refusal comes.
void TakeBody(Name* name, Script* script) {
  if (name->Take("-html")) script->html = true;
  if (name->Take("-plain")) script->plain_error = true;
  if (name->Take("-repeat")) script->repeats_request = true;
  if (name->Take("-blame")) script->blames_stream_options = true;
}

bool ReadFault(Name* name, Script* script) {
  if (name->Take("refuse-")) {
    int status = 0;
    if (!name->TakeInt(&status) || status < 400 || status > 599) return false;
    Refuse(status, script);
    TakeBody(name, script);
    if (name->Take("-after-")) return name->TakeInt(&script->retry_after_s);
    return true;
  }
  if (name->Take("first-")) {
    int status = 0;
    if (!name->TakeInt(&script->faulty_requests)) return false;
    if (!name->Take("-then-ok-")) return false;
    if (name->Take("reset")) {
      script->fault = Script::Fault::kResetBefore;
      return true;
    }
    if (!name->TakeInt(&status) || status < 400 || status > 599) return false;
    Refuse(status, script);
    TakeBody(name, script);
    return true;
  }
  if (name->Take("quota")) {
    RefuseAs(429, "insufficient_quota", "insufficient_quota", script);
    return true;
  }
  if (name->Take("context-length")) {
    RefuseAs(400, "invalid_request_error", "context_length_exceeded", script);
    return true;
  }
  if (name->Take("content-filter")) {
    RefuseAs(400, "invalid_request_error", "content_filter", script);
    return true;
  }
  if (name->Take("error-code-number")) {
    Refuse(400, script);
    script->numeric_code = true;
    if (name->Take("-")) {
      int status = 0;
      if (!name->TakeInt(&status) || status < 400 || status > 599) return false;
      Refuse(status, script);
    }
    return true;
  }
  if (name->Take("slow-headers-")) return name->TakeInt(&script->head_delay_ms);
  if (name->Take("slow-first-")) return name->TakeInt(&script->first_delay_ms);
  if (name->Take("big-event")) {
    script->text = Script::Text::kBig;
    script->events = 1;
    return !name->Take("-") || name->TakeInt(&script->big_kib);
  }
  for (const Plain& plain : kAfter) {
    if (!name->Take(plain.name)) continue;
    script->fault = plain.fault;
    return name->TakeInt(&script->at);
  }
  for (const Plain& plain : kPlain) {
    if (!name->Take(plain.name)) continue;
    script->fault = plain.fault;
    return true;
  }
  return false;
}

bool ReadFake(Name* name, Script* script) {
  if (name->Take("tools")) {
    script->text = Script::Text::kTools;
    if (name->Take("-index-0")) script->fault = Script::Fault::kToolsIndexZero;
  } else if (name->Take("reasoning")) {
    script->text = Script::Text::kReasoning;
  } else if (name->Take("cached")) {
    script->cached = true;
  } else if (name->Take("echo")) {
    script->text = Script::Text::kEcho;
  } else if (name->Take("json")) {
    script->text = Script::Text::kJson;
  } else {
    return name->TakeInt(&script->events) && name->Take("x") &&
           name->TakeInt(&script->pace_ms);
  }
  return true;
}

// `-pMS` and `-eN`, in any order.
bool ReadSuffixes(Name* name, Script* script) {
  while (!name->empty()) {
    bool known = name->Take("-p")   ? name->TakeInt(&script->pace_ms)
                 : name->Take("-e") ? name->TakeInt(&script->events)
                                    : false;
    if (!known) return false;
  }
  return true;
}

}  // namespace

bool ParseScript(std::string_view model, Script* script) {
  *script = Script();
  Name name(model);
  bool known = true;
  if (name.Take("fault-")) {
    known = ReadFault(&name, script);
  } else if (name.Take("fake-")) {
    known = ReadFake(&name, script);
  } else {
    return true;
  }
  return known && ReadSuffixes(&name, script) && script->events <= kMaxEvents;
}

}  // namespace fake_provider
