#include "tests/fakes/provider/openai.h"

#include <algorithm>

#include "tests/fakes/provider/http.h"
#include "tests/fakes/provider/json.h"

namespace fake_provider {
namespace {

constexpr std::string_view kCreated = "1790000000";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kNoStreamOptions =
    "Unrecognized request argument: stream_options";
constexpr int kPingMs = 50;
// So that what was written before an RST has reached the client's socket.
constexpr int kBeforeResetMs = 20;

constexpr bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int CountWords(std::string_view text) {
  // Counts the ends of words. Blocks of fixed size, for the compiler to
  // vectorise: prompts are long.
  constexpr size_t kBlock = 64;
  int words = 0;
  size_t at = 1;
  auto ends_at = [&text](size_t i) -> unsigned char {
    return static_cast<unsigned char>(IsSpace(text[i])) &
           static_cast<unsigned char>(!IsSpace(text[i - 1]));
  };
  for (; at + kBlock <= text.size(); at += kBlock) {
    unsigned char ends = 0;
    for (size_t i = 0; i < kBlock; ++i) ends += ends_at(at + i);
    words += ends;
  }
  for (; at < text.size(); ++at) words += ends_at(at);
  return words + (!text.empty() && !IsSpace(text.back()));
}

// Reads `content`: a string, null, or parts of which those with text count.
// Adds the text to `text` if that is not null.
int ReadContent(JsonCursor* json, std::string* text) {
  int words = 0;
  auto read_string = [&] {
    std::string_view raw = json->RawString();
    if (text == nullptr && raw.find('\\') == std::string_view::npos) {
      words += CountWords(raw);
      return;
    }
    std::string decoded = DecodeJsonString(raw);
    words += CountWords(decoded);
    if (text != nullptr) text->append(decoded);
  };
  if (json->Peek() == '"') {
    read_string();
  } else if (json->Peek() == '[') {
    json->Array([&] {
      if (json->Peek() != '{') return json->Skip();
      json->Object([&](std::string_view key) {
        if (key == "text" && json->Peek() == '"') {
          read_string();
        } else {
          json->Skip();
        }
      });
    });
  } else {
    json->Skip();
  }
  return words;
}

void ReadMessage(JsonCursor* json, ChatRequest* request) {
  std::string role;
  std::string text;
  json->Object([&](std::string_view key) {
    if (key == "role" && json->Peek() == '"') {
      role = json->String();
    } else if (key == "content") {
      request->prompt_tokens += ReadContent(json, &text);
    } else {
      json->Skip();
    }
  });
  if (role == "user") request->last_user_text = std::move(text);
  request->roles.push_back(std::move(role));
}

void ReadTool(JsonCursor* json, ChatRequest* request) {
  json->Object([&](std::string_view key) {
    if (key != "function" || json->Peek() != '{') return json->Skip();
    json->Object([&](std::string_view inner) {
      if (inner != "name" || json->Peek() != '"') return json->Skip();
      request->tool_names.push_back(json->String());
    });
  });
}

void ReadField(std::string_view key, JsonCursor* json, ChatRequest* request) {
  char first = json->Peek();
  if (key == "model" && first == '"') {
    request->model = json->String();
  } else if (key == "stream") {
    request->stream = json->Bool();
  } else if (key == "stream_options") {
    request->has_stream_options = true;
    if (first != '{') return json->Skip();
    json->Object([&](std::string_view inner) {
      if (inner != "include_usage") return json->Skip();
      request->include_usage = json->Bool();
    });
  } else if ((key == "max_tokens" || key == "max_completion_tokens") &&
             first != 'n') {
    request->max_tokens = static_cast<int>(json->Integer());
  } else if (key == "n" && first != 'n') {
    request->n = static_cast<int>(std::clamp(json->Integer(), 1L, 16L));
  } else if (key == "messages" && first == '[') {
    json->Array([&] { ReadMessage(json, request); });
  } else if (key == "tools" && first == '[') {
    json->Array([&] { ReadTool(json, request); });
  } else {
    json->Skip();
  }
}

struct Call {
  std::string id;
  std::string name;
  std::vector<std::string> arguments;
};

// What the answer says. Each piece and each part of a call is one content
// event of a stream, and one token.
struct Content {
  std::vector<std::string> reasoning;
  std::vector<std::string> pieces;
  std::vector<Call> calls;
  std::string finish = "stop";

  int tokens() const {
    size_t count = reasoning.size() + pieces.size();
    for (const Call& call : calls) count += 1 + call.arguments.size();
    return static_cast<int>(count);
  }
};

std::vector<std::string> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  size_t from = 0;
  while (from < text.size()) {
    size_t end = std::min(text.find(' ', from + 1), text.size());
    words.emplace_back(text.substr(from, end - from));
    from = end;
  }
  return words;
}

std::string EchoText(const ChatRequest& request) {
  std::string text = "count=" + std::to_string(request.roles.size());
  text += " roles=";
  for (size_t i = 0; i < request.roles.size(); ++i) {
    if (i > 0) text += ',';
    text += request.roles[i];
  }
  return text + " last=" + request.last_user_text;
}

Content MakeContent(const Script& script, const ChatRequest& request) {
  Content content;
  bool after_tool = !request.roles.empty() && request.roles.back() == "tool";
  if (script.text == Script::Text::kEcho) {
    content.pieces = SplitWords(EchoText(request));
  } else if (script.text == Script::Text::kJson) {
    content.pieces = {"{\"ok\"", ":true,", "\"items\":", "[1,2,3]", "}"};
  } else if (script.text == Script::Text::kBig) {
    content.pieces.emplace_back(size_t(script.big_kib) << 10, 'x');
  } else if (script.text == Script::Text::kTools && !after_tool) {
    std::vector<std::string> names = request.tool_names;
    if (names.empty()) names = {"get_weather", "get_time"};
    if (names.size() == 1) names.push_back(names.front());
    content.calls = {
        {"call_1", names[0], {"{\"city\"", ":\"Par", "is\"}"}},
        {"call_2", names[1], {"{\"zone\":", "\"UTC\"}"}},
    };
    content.finish = "tool_calls";
  } else {
    if (script.text == Script::Text::kReasoning) {
      content.reasoning = {"Let", " me", " think."};
    }
    int count = script.events;
    if (request.max_tokens >= 0 && request.max_tokens < count) {
      count = request.max_tokens;
      content.finish = "length";
    }
    content.pieces.reserve(count);
    for (int i = 0; i < count; ++i) {
      content.pieces.push_back((i == 0 ? "word" : " word") + std::to_string(i));
    }
  }
  if (script.fault == Script::Fault::kFinishAbort) content.finish = "abort";
  return content;
}

// `events`: the content events so far.
std::string UsageJson(const Script& script, const ChatRequest& request,
                      const Content& content, int events) {
  int prompt = request.prompt_tokens;
  int completion = events * request.n;
  std::string json = "{\"prompt_tokens\":" + std::to_string(prompt) +
                     ",\"completion_tokens\":" + std::to_string(completion) +
                     ",\"total_tokens\":" + std::to_string(prompt + completion);
  if (script.fault == Script::Fault::kUsageExtra) {
    json +=
        ",\"prompt_tokens_details\":{\"cached_tokens\":0,"
        "\"vendor\":{\"a\":[1,2]}}";
  }
  if (script.cached) {
    json += ",\"prompt_tokens_details\":{\"cached_tokens\":" +
            std::to_string(prompt / 2) + "}";
  }
  if (!content.reasoning.empty()) {
    int reasoning =
        std::min(events, static_cast<int>(content.reasoning.size()));
    json += ",\"completion_tokens_details\":{\"reasoning_tokens\":" +
            std::to_string(reasoning * request.n) + "}";
  }
  return json + "}";
}

std::string ErrorJson(std::string_view message, std::string_view type,
                      std::string_view code) {
  std::string json = "{\"error\":{\"message\":\"";
  AppendJsonEscaped(message, &json);
  json.append("\",\"type\":\"").append(type);
  json.append("\",\"param\":null,\"code\":").append(code).append("}}");
  return json;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  AppendJsonEscaped(text, &out);
  return out + "\"";
}

// As JSON.
std::string AnswerId(const Script& script, long id) {
  if (script.fault == Script::Fault::kEmptyId) return "\"\"";
  return "\"chatcmpl-" + std::to_string(id) + "\"";
}

std::string IdHeader(long id) {
  return "x-request-id: req_" + std::to_string(id) + "\r\n";
}

// Renders the events of one streamed answer.
class StreamWriter {
 public:
  StreamWriter(const Script& script, const ChatRequest& request, long id,
               Framing framing)
      : script_(script),
        chunked_(!framing.http10),
        line_end_(script.fault == Script::Fault::kCrlf ? "\r\n" : "\n") {
    prefix_ = "{\"id\":" + AnswerId(script, id) +
              ",\"object\":\"chat.completion.chunk\",\"created\":" +
              std::string(kCreated) + ",\"model\":" + Quoted(request.model) +
              ",\"system_fingerprint\":null,";
    bool announces_usage = request.include_usage &&
                           script.fault != Script::Fault::kNoUsage &&
                           script.fault != Script::Fault::kUsageOnFinish &&
                           script.fault != Script::Fault::kUsageEvery;
    suffix_ = announces_usage ? ",\"usage\":null}" : "}";
  }

  Answer& answer() { return answer_; }

  void Head(long id, bool keep_alive) {
    std::string extra = "cache-control: no-cache\r\n" + IdHeader(id);
    if (chunked_) extra += "transfer-encoding: chunked\r\n";
    answer_.status = 200;
    AppendHead(200, "text/event-stream; charset=utf-8", -1, keep_alive, extra,
               &answer_.bytes);
    answer_.Mark(script_.head_delay_ms);
  }

  // One event with the given JSON, or other data.
  Answer::Slice& Event(std::string_view data, int wait_ms = 0) {
    FillScratch(data);
    return Raw(scratch_, wait_ms);
  }

  // An event of the usual chunk with one choice. `usage` may be empty.
  Answer::Slice& Choice(int index, std::string_view delta,
                        std::string_view finish, std::string_view usage = "",
                        int wait_ms = 0) {
    ChoiceJson(index, delta, finish);
    if (!usage.empty()) {
      json_.resize(json_.size() - suffix_.size());
      json_.append(",\"usage\":").append(usage).append("}");
    }
    return Event(json_, wait_ms);
  }

  // What Azure sends first.
  void FilterResults() {
    Event(prefix_ +
          "\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":"
          "0,\"content_filter_results\":{}}]" +
          suffix_);
  }

  // Half an event.
  void HalfChoice(std::string_view delta, int wait_ms) {
    ChoiceJson(0, delta, "null");
    FillScratch(json_);
    Raw(std::string_view(scratch_).substr(0, scratch_.size() / 2), wait_ms);
  }

  void Usage(std::string_view usage, bool extra) {
    json_ = prefix_;
    json_.append(extra ? "\"choices\":null,\"timings\":{\"predicted_ms\":1.5}"
                       : "\"choices\":[]");
    json_.append(",\"usage\":").append(usage).append("}");
    Event(json_).usage = true;
  }

  void Done() { Event("[DONE]").events = 0; }

  void CleanEnd() {
    if (!chunked_) return;
    answer_.bytes.append("0\r\n\r\n");
    answer_.Mark();
  }

 private:
  void ChoiceJson(int index, std::string_view delta, std::string_view finish) {
    json_ = prefix_;
    json_.append("\"choices\":[{\"index\":").append(std::to_string(index));
    json_.append(",\"delta\":{")
        .append(delta)
        .append("},\"logprobs\":null,\"finish_reason\":")
        .append(finish);
    json_.append("}]").append(suffix_);
  }

  void FillScratch(std::string_view data) {
    scratch_.assign("data: ").append(data);
    scratch_.append(line_end_).append(line_end_);
  }

  Answer::Slice& Raw(std::string_view bytes, int wait_ms) {
    if (script_.fault == Script::Fault::kDribble) {
      for (; bytes.size() > 7; bytes.remove_prefix(7)) {
        Append(bytes.substr(0, 7));
        answer_.Mark(wait_ms).own_write = true;
        wait_ms = 0;
      }
    }
    Append(bytes);
    Answer::Slice& slice = answer_.Mark(wait_ms);
    slice.own_write = script_.fault == Script::Fault::kDribble;
    slice.events = 1;
    return slice;
  }

  void Append(std::string_view bytes) {
    if (chunked_) {
      AppendChunk(bytes, &answer_.bytes);
    } else {
      answer_.bytes.append(bytes);
    }
  }

  const Script& script_;
  const bool chunked_;
  const std::string_view line_end_;
  std::string prefix_;
  std::string suffix_;
  std::string json_;
  std::string scratch_;
  Answer answer_;
};

// The inside of `delta` for each content event.
std::vector<std::string> Deltas(const Script& script, const Content& content) {
  std::vector<std::string> deltas;
  deltas.reserve(content.tokens());
  for (const std::string& piece : content.reasoning) {
    deltas.push_back("\"reasoning_content\":" + Quoted(piece));
  }
  for (const std::string& piece : content.pieces) {
    std::string delta = "\"content\":\"";
    AppendJsonEscaped(piece, &delta);
    delta += '"';
    deltas.push_back(std::move(delta));
  }
  for (size_t i = 0; i < content.calls.size(); ++i) {
    const Call& call = content.calls[i];
    bool zero = script.fault == Script::Fault::kToolsIndexZero;
    std::string open =
        "\"tool_calls\":[{\"index\":" + std::to_string(zero ? 0 : i);
    deltas.push_back(open + ",\"id\":\"" + call.id +
                     "\",\"type\":\"function\",\"function\":{\"name\":" +
                     Quoted(call.name) + ",\"arguments\":\"\"}}]");
    for (const std::string& part : call.arguments) {
      deltas.push_back(open + ",\"function\":{\"arguments\":" + Quoted(part) +
                       "}}]");
    }
  }
  return deltas;
}

void EndWith(Answer::End end, const char* outcome, Answer* answer) {
  answer->end = end;
  answer->outcome = outcome;
}

// Applies a fault that strikes after `at` content events. True if nothing more
// of the answer follows.
bool StrikeMidStream(const Script& script, std::string_view next_delta,
                     StreamWriter* stream) {
  Answer* answer = &stream->answer();
  switch (script.fault) {
    case Script::Fault::kCutAfter:
      EndWith(Answer::End::kClose, "cut", answer);
      return true;
    case Script::Fault::kCutMidEvent:
      stream->HalfChoice(next_delta, script.pace_ms);
      answer->slices.back().events = 0;
      EndWith(Answer::End::kClose, "cut", answer);
      return true;
    case Script::Fault::kResetAfter:
      answer->Mark(kBeforeResetMs);
      EndWith(Answer::End::kReset, "reset", answer);
      return true;
    case Script::Fault::kStallAfter:
      EndWith(Answer::End::kHang, "client_gone", answer);
      return true;
    case Script::Fault::kError:
      stream->Event(ErrorJson("scripted error in the stream", "server_error",
                              "\"internal\""),
                    script.pace_ms);
      stream->CleanEnd();
      answer->outcome = "error";
      return true;
    case Script::Fault::kBadJson:
      stream->Event("{\"id\":\"broken\",\"choices\":[{\"index\":0,",
                    script.pace_ms);
      return false;
    default:
      return false;
  }
}

Answer RenderStream(const Script& script, const ChatRequest& request,
                    const Content& content, long id, Framing framing) {
  using Fault = Script::Fault;
  StreamWriter stream(script, request, id, framing);
  Answer& answer = stream.answer();
  std::vector<std::string> deltas = Deltas(script, content);
  answer.bytes.reserve(512 + deltas.size() * 256 * request.n);
  answer.slices.reserve((deltas.size() + 2) * request.n + 5);
  answer.completion_tokens = content.tokens() * request.n;
  stream.Head(id, framing.keep_alive);
  if (script.fault == Fault::kHeadersThenSilence) {
    EndWith(Answer::End::kHang, "client_gone", &answer);
    return std::move(answer);
  }
  if (script.fault == Fault::kPingsOnly) {
    EndWith(Answer::End::kRepeat, "client_gone", &answer);
    if (framing.http10) {
      answer.repeat = ": ping\n\n";
    } else {
      AppendChunk(": ping\n\n", &answer.repeat);
    }
    answer.repeat_ms = script.pace_ms > 0 ? script.pace_ms : kPingMs;
    return std::move(answer);
  }
  bool error_first = script.fault == Fault::kError && script.at == 0;
  if (script.fault == Fault::kFilterFirst) stream.FilterResults();
  std::string_view role = script.fault == Fault::kNullContent
                              ? "\"role\":\"assistant\",\"content\":null"
                              : "\"role\":\"assistant\",\"content\":\"\"";
  for (int n = 0; n < request.n && !error_first; ++n) {
    stream.Choice(n, role, "null");
  }
  int count = static_cast<int>(deltas.size());
  bool finish_with_text = script.fault == Fault::kFinishWithText && count > 0;
  bool finishes =
      script.fault != Fault::kNoFinish && script.fault != Fault::kDoneNoFinish;
  int strike = script.fault == Fault::kNone ? -1 : std::min(script.at, count);
  for (int i = 0; i <= count; ++i) {
    std::string_view delta = i < count ? deltas[i] : std::string_view();
    if (i == strike && StrikeMidStream(script, delta, &stream)) {
      return std::move(answer);
    }
    if (i == count || (i == count - 1 && finish_with_text)) break;
    std::string usage;
    if (script.fault == Fault::kUsageEvery) {
      usage = UsageJson(script, request, content, i + 1);
    }
    int wait_ms = i == 0 ? script.first_delay_ms : script.pace_ms;
    for (int n = 0; n < request.n; ++n) {
      stream.Choice(n, delta, "null", usage, n == 0 ? wait_ms : 0).tokens = 1;
    }
  }
  std::string usage = UsageJson(script, request, content, content.tokens());
  std::string finish = Quoted(content.finish);
  bool on_finish = script.fault == Fault::kUsageOnFinish ||
                   script.fault == Fault::kUsageEvery;
  for (int n = 0; n < request.n && finishes; ++n) {
    bool last = n == request.n - 1;
    Answer::Slice& slice = stream.Choice(
        n, finish_with_text ? deltas.back() : "", finish,
        on_finish && last ? usage : "", n == 0 ? script.pace_ms : 0);
    slice.tokens = finish_with_text ? 1 : 0;
    slice.usage = on_finish && last;
  }
  bool usage_chunk = request.include_usage && script.fault != Fault::kNoUsage &&
                     !on_finish && script.fault != Fault::kNoFinish;
  if (usage_chunk) stream.Usage(usage, script.fault == Fault::kUsageExtra);
  if (script.fault != Fault::kNoDone && script.fault != Fault::kNoFinish) {
    stream.Done();
  }
  stream.CleanEnd();
  return std::move(answer);
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += part;
  return Quoted(text);
}

std::string MessageJson(const Content& content) {
  std::string json = "{\"role\":\"assistant\",\"content\":";
  if (content.calls.empty()) {
    json += Joined(content.pieces);
  } else {
    json += "null,\"tool_calls\":[";
    for (size_t i = 0; i < content.calls.size(); ++i) {
      const Call& call = content.calls[i];
      if (i > 0) json += ',';
      json += "{\"id\":\"" + call.id +
              "\",\"type\":\"function\",\"function\":{\"name\":" +
              Quoted(call.name) + ",\"arguments\":" + Joined(call.arguments) +
              "}}";
    }
    json += ']';
  }
  if (!content.reasoning.empty()) {
    json += ",\"reasoning_content\":" + Joined(content.reasoning);
  }
  return json + ",\"refusal\":null}";
}

std::string CompletionJson(const Script& script, const ChatRequest& request,
                           const Content& content, long id) {
  bool finished = script.fault != Script::Fault::kNoFinish &&
                  script.fault != Script::Fault::kDoneNoFinish;
  std::string json =
      "{\"id\":" + AnswerId(script, id) +
      ",\"object\":\"chat.completion\",\"created\":" + std::string(kCreated) +
      ",\"model\":" + Quoted(request.model) + ",\"choices\":[";
  for (int n = 0; n < request.n; ++n) {
    if (n > 0) json += ',';
    json += "{\"index\":" + std::to_string(n) +
            ",\"message\":" + MessageJson(content) +
            ",\"logprobs\":null,\"finish_reason\":" +
            (finished ? Quoted(content.finish) : "null") + "}";
  }
  json += ']';
  if (script.fault == Script::Fault::kBadJson) return json;
  if (script.fault != Script::Fault::kNoUsage) {
    json +=
        ",\"usage\":" + UsageJson(script, request, content, content.tokens());
  }
  return json + ",\"system_fingerprint\":null}";
}

Answer RenderCompletion(const Script& script, const ChatRequest& request,
                        const Content& content, long id, Framing framing) {
  using Fault = Script::Fault;
  if (script.fault == Fault::kError) {
    return RenderError(script.status, "scripted error", script.error_type,
                       Quoted(script.error_code), IdHeader(id), framing);
  }
  std::string body = CompletionJson(script, request, content, id);
  Answer answer;
  answer.status = 200;
  answer.completion_tokens = content.tokens() * request.n;
  AppendHead(200, kJson, static_cast<long>(body.size()), framing.keep_alive,
             IdHeader(id), &answer.bytes);
  int generating_ms = script.pace_ms * content.tokens();
  bool body_waits = script.first_delay_ms > 0;
  if (body_waits) answer.Mark(script.head_delay_ms);
  int wait_ms = generating_ms +
                (body_waits ? script.first_delay_ms : script.head_delay_ms);
  switch (script.fault) {
    case Fault::kHeadersThenSilence:
    case Fault::kPingsOnly:
      answer.Mark(wait_ms);
      EndWith(Answer::End::kHang, "client_gone", &answer);
      return answer;
    case Fault::kCutAfter:
    case Fault::kCutMidEvent:
      EndWith(Answer::End::kClose, "cut", &answer);
      break;
    case Fault::kResetAfter:
      EndWith(Answer::End::kReset, "reset", &answer);
      break;
    case Fault::kStallAfter:
      EndWith(Answer::End::kHang, "client_gone", &answer);
      break;
    default:
      answer.bytes.append(body);
      Answer::Slice& slice = answer.Mark(wait_ms);
      slice.tokens = answer.completion_tokens;
      slice.usage =
          script.fault != Fault::kNoUsage && script.fault != Fault::kBadJson;
      return answer;
  }
  answer.bytes.append(body, 0, body.size() / 2);
  answer.Mark(wait_ms);
  if (answer.end == Answer::End::kReset) answer.Mark(kBeforeResetMs);
  return answer;
}

Answer RenderRefusal(const Script& script, const ChatRequest& request, long id,
                     Framing framing) {
  std::string extra = IdHeader(id);
  if (script.retry_after_s >= 0) {
    extra += "retry-after: " + std::to_string(script.retry_after_s) + "\r\n";
  }
  if (script.html) {
    Answer answer =
        RenderWhole(script.status, "text/html",
                    "<html><head><title>" + std::to_string(script.status) +
                        "</title></head><body><h1>" +
                        std::string(ReasonPhrase(script.status)) +
                        "</h1><hr>nginx</body></html>",
                    extra, framing);
    answer.outcome = "refused";
    return answer;
  }
  if (script.plain_error) {
    Answer answer =
        RenderWhole(script.status, kJson, "{\"error\":\"scripted refusal\"}",
                    extra, framing);
    answer.outcome = "refused";
    return answer;
  }
  if (script.repeats_request) {
    Answer answer =
        RenderWhole(script.status, kJson,
                    "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\","
                    "\"x\"],\"msg\":\"Field required\",\"input\":" +
                        std::string(request.body) + "}]}",
                    extra, framing);
    answer.outcome = "refused";
    return answer;
  }
  return RenderError(
      script.status,
      script.blames_stream_options ? kNoStreamOptions : "scripted refusal",
      script.error_type,
      script.numeric_code ? std::to_string(script.status)
                          : Quoted(script.error_code),
      extra, framing);
}

}  // namespace

bool ReadChatRequest(std::string_view body, ChatRequest* request,
                     std::string* error) {
  request->body = body;
  JsonCursor json(body);
  json.Object([&](std::string_view key) { ReadField(key, &json, request); });
  if (!json.AtEnd()) {
    *error = "We could not parse the JSON body of your request.";
  } else if (request->model.empty()) {
    *error = "you must provide a model parameter";
  } else if (request->roles.empty()) {
    *error = "messages must be a non-empty array";
  }
  return error->empty();
}

Answer RenderChat(const Script& script, const ChatRequest& request, long id,
                  Framing framing) {
  using Fault = Script::Fault;
  Answer answer;
  switch (script.fault) {
    case Fault::kRefuse:
      return RenderRefusal(script, request, id, framing);
    case Fault::kNoStreamOptions:
      if (!request.has_stream_options) break;
      return RenderError(400, kNoStreamOptions, "invalid_request_error", "null",
                         IdHeader(id), framing);
    case Fault::kResetBefore:
      EndWith(Answer::End::kReset, "reset", &answer);
      return answer;
    case Fault::kBlackhole:
      EndWith(Answer::End::kHang, "client_gone", &answer);
      return answer;
    case Fault::kEmpty200:
      return RenderWhole(200, kJson, "", IdHeader(id), framing);
    case Fault::kHtml200:
      return RenderWhole(200, "text/html", "<html><body>hello</body></html>",
                         IdHeader(id), framing);
    case Fault::kJsonError200:
      return RenderError(200, "scripted error under status 200", "server_error",
                         "\"internal\"", IdHeader(id), framing);
    default:
      break;
  }
  Content content = MakeContent(script, request);
  answer = request.stream && script.fault != Fault::kNoStream
               ? RenderStream(script, request, content, id, framing)
               : RenderCompletion(script, request, content, id, framing);
  if (script.fault == Fault::kCloseAfterAnswer)
    answer.end = Answer::End::kClose;
  return answer;
}

Answer RenderError(int status, std::string_view message, std::string_view type,
                   std::string_view code, std::string_view extra_headers,
                   Framing framing) {
  Answer answer = RenderWhole(status, kJson, ErrorJson(message, type, code),
                              extra_headers, framing);
  answer.outcome = "refused";
  return answer;
}

Answer RenderWhole(int status, std::string_view content_type,
                   std::string_view body, std::string_view extra_headers,
                   Framing framing) {
  Answer answer;
  answer.status = status;
  AppendHead(status, content_type, static_cast<long>(body.size()),
             framing.keep_alive, extra_headers, &answer.bytes);
  answer.bytes.append(body);
  answer.Mark();
  return answer;
}

Answer RenderModels(std::string_view name, Framing framing) {
  auto model = [](std::string_view id) {
    return "{\"id\":" + Quoted(id) +
           ",\"object\":\"model\",\"created\":" + std::string(kCreated) +
           ",\"owned_by\":\"fake-provider\"}";
  };
  if (!name.empty()) return RenderWhole(200, kJson, model(name), "", framing);
  std::string body = "{\"object\":\"list\",\"data\":[" + model("fake-8x0") +
                     "," + model("fake-50x0") + "," + model("fake-50x20") +
                     "," + model("fake-echo") + "," + model("fake-json") + "," +
                     model("fake-tools") + "]}";
  return RenderWhole(200, kJson, body, "", framing);
}

}  // namespace fake_provider
