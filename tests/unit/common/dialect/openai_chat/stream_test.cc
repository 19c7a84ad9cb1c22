#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/dialect/answer_assembler.h"
#include "common/dialect/openai_chat/answer_codec.h"
#include "common/dialect/openai_chat/envelope.h"
#include "common/dialect/openai_chat/stream_encoder.h"
#include "common/dialect/openai_chat/stream_reader.h"
#include "common/status/error.h"
#include "tests/unit/common/dialect/chat_generator.h"
#include "tests/unit/common/dialect/json_normal.h"

namespace gateway::dialect::openai_chat {
namespace {

using chat::v1::ChatDelta;
using google::protobuf::util::MessageDifferencer;
using Kind = StreamEvent::Kind;

// A chunk of one choice with these members.
std::string Chunk(absl::string_view choice, absl::string_view rest = "") {
  return absl::StrCat(R"({"id":"c","created":7,"model":"m","choices":[{)",
                      choice, "}]", rest, "}");
}

std::string TextChunk(absl::string_view text) {
  return Chunk(absl::StrCat(R"("index":0,"delta":{"content":")", text,
                            R"("},"finish_reason":null)"));
}

const char kStop[] = R"("index":0,"delta":{},"finish_reason":"stop")";

struct Outcome {
  std::vector<StreamEvent> events;
  std::vector<ChatDelta> deltas;
  google::protobuf::RepeatedPtrField<chat::v1::Choice> choices;
};

Outcome ReadAll(StreamReader* reader, const std::vector<std::string>& events) {
  Outcome outcome;
  for (const std::string& event : events) {
    outcome.events.push_back(reader->Read(event, "", &outcome.deltas));
  }
  AnswerAssembler assembler;
  for (const ChatDelta& delta : outcome.deltas) assembler.Add(delta);
  outcome.choices = assembler.Take();
  return outcome;
}

std::string TextOf(const chat::v1::Choice& choice) {
  std::string text;
  for (const auto& part : choice.message().content()) {
    text.append(part.text().text());
  }
  return text;
}

TEST(StreamReaderTest, FollowsARecordedStream) {
  StreamReader reader({});
  const Outcome outcome = ReadAll(&reader, TestdataLines("stream_text.jsonl"));
  ASSERT_EQ(outcome.events.size(), 6u);
  EXPECT_FALSE(outcome.events[0].has_token);
  EXPECT_TRUE(outcome.events[1].has_token);
  EXPECT_TRUE(outcome.events[3].forward);
  // Nobody asked for the usage.
  EXPECT_FALSE(outcome.events[4].forward);
  EXPECT_EQ(outcome.events[5].kind, Kind::kDone);
  EXPECT_TRUE(outcome.events[5].forward);
  EXPECT_FALSE(reader.Finish(/*clean=*/true).has_value());
  EXPECT_EQ(reader.id(), "chatcmpl-123");
  EXPECT_EQ(reader.model(), "gpt-4o-mini");
  EXPECT_EQ(reader.created(), 1694268190);
  EXPECT_EQ(reader.finish_reason(), chat::v1::FINISH_REASON_STOP);
  EXPECT_EQ(reader.usage()->cached_input_tokens(), 3);
  EXPECT_EQ(reader.usage()->uncached_input_tokens(), 16);
  EXPECT_EQ(reader.token_events(), 2);
  ASSERT_EQ(outcome.choices.size(), 1);
  EXPECT_EQ(TextOf(outcome.choices[0]),
            "Hello \"w\xC3\xB6rld\"\n\xF0\x9F\x98\x80");
}

TEST(StreamReaderTest, ForwardsTheUsageChunkThatWasAskedFor) {
  StreamReader reader({.forward_usage_chunk = true});
  const Outcome outcome = ReadAll(&reader, TestdataLines("stream_text.jsonl"));
  EXPECT_TRUE(outcome.events[4].forward);
}

TEST(StreamReaderTest, AssemblesToolCalls) {
  StreamReader reader({});
  const Outcome outcome = ReadAll(&reader, TestdataLines("stream_tools.jsonl"));
  EXPECT_FALSE(reader.Finish(true).has_value());
  const auto answer =
      std::get<chat::v1::ChatResponse>(DecodeAnswer(R"({"id":"c","choices":[
        {"index":0,"finish_reason":"tool_calls","message":{"content":null,
         "tool_calls":[
          {"id":"call_1","function":{"name":"f","arguments":"{\"a\":1}"}},
          {"id":"call_2","function":{"name":"g","arguments":"{}"}}]}}]})"));
  ASSERT_EQ(outcome.choices.size(), 1);
  EXPECT_TRUE(MessageDifferencer::Equals(outcome.choices[0], answer.choices(0)))
      << outcome.choices[0].DebugString();
}

TEST(StreamReaderTest, TellsCallsOfOneIndexApart) {
  StreamReader reader({});
  const Outcome outcome =
      ReadAll(&reader, TestdataLines("stream_ollama.jsonl"));
  EXPECT_FALSE(reader.Finish(true).has_value());
  const auto& content = outcome.choices[0].message().content();
  ASSERT_EQ(content.size(), 3);
  EXPECT_EQ(content[0].reasoning().text(), "Hm");
  EXPECT_EQ(content[1].tool_call().id(), "call_a");
  EXPECT_EQ(content[1].tool_call().arguments(), "{\"x\":1}");
  EXPECT_EQ(content[2].tool_call().id(), "call_b");
  EXPECT_EQ(content[2].tool_call().arguments(), "{\"x\":2}");
}

TEST(StreamReaderTest, TakesChoicesNullAndTextBesideTheFinish) {
  StreamReader reader({});
  const Outcome outcome = ReadAll(&reader, TestdataLines("stream_vllm.jsonl"));
  EXPECT_FALSE(reader.Finish(true).has_value());
  EXPECT_EQ(reader.usage()->output_tokens(), 2);
  EXPECT_FALSE(outcome.events[4].forward);
  EXPECT_EQ(TextOf(outcome.choices[0]), "Hello");
  EXPECT_EQ(outcome.choices[0].message().content(0).reasoning().text(),
            "think");
  EXPECT_EQ(outcome.choices[0].finish_reason(), chat::v1::FINISH_REASON_LENGTH);
}

TEST(StreamReaderTest, KeepsTheFinishChunkThatCarriesUsage) {
  StreamReader reader({});
  const StreamEvent event = reader.Read(
      Chunk(kStop, R"(,"usage":{"prompt_tokens":5,"completion_tokens":2})"), "",
      nullptr);
  EXPECT_TRUE(event.forward);
  EXPECT_EQ(reader.usage()->output_tokens(), 2);
  EXPECT_TRUE(reader.finished());
}

TEST(StreamReaderTest, TakesTheNewestUsage) {
  StreamReader reader({});
  for (int tokens : {1, 2, 3}) {
    reader.Read(Chunk(R"("index":0,"delta":{"content":"x"})",
                      absl::StrCat(
                          R"(,"usage":{"prompt_tokens":5,"completion_tokens":)",
                          tokens, "}")),
                "", nullptr);
  }
  EXPECT_EQ(reader.usage()->output_tokens(), 3);
}

TEST(StreamReaderTest, TakesNegativeUsageForNone) {
  StreamReader reader({});
  reader.Read(
      R"({"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":2}})",
      "", nullptr);
  EXPECT_FALSE(reader.usage().has_value());
}

TEST(StreamReaderTest, ForwardsAFirstChunkWithoutChoices) {
  StreamReader reader({});
  const StreamEvent event = reader.Read(
      R"({"choices":[],"prompt_filter_results":[{"prompt_index":0}]})", "",
      nullptr);
  EXPECT_EQ(event.kind, Kind::kChunk);
  EXPECT_TRUE(event.forward);
  EXPECT_FALSE(event.has_token);
}

// The verdicts.

std::string Verdict(const std::vector<std::string>& events, bool clean = true) {
  StreamReader reader({});
  for (const std::string& event : events) {
    if (reader.Read(event, "", nullptr).kind == Kind::kError) break;
  }
  const auto error = reader.Finish(clean);
  if (!error.has_value()) return "complete";
  EXPECT_FALSE(error->status.ok());
  return std::string(ProviderErrorKindName(error->kind));
}

TEST(StreamVerdictTest, IsCompleteOnlyWithAFinishForEachChoice) {
  const std::string text = TextChunk("x");
  const std::string stop = Chunk(kStop);
  EXPECT_EQ(Verdict({text, stop, "[DONE]"}), "complete");
  EXPECT_EQ(Verdict({text, stop}), "complete");
  EXPECT_EQ(Verdict({text, stop}, /*clean=*/false), "broken_answer");
  EXPECT_EQ(Verdict({text, "[DONE]"}), "broken_answer");
  EXPECT_EQ(Verdict({text}), "broken_answer");
  EXPECT_EQ(Verdict({"[DONE]"}), "broken_answer");
  EXPECT_EQ(Verdict({}), "broken_answer");
  const std::string second =
      Chunk(R"("index":1,"delta":{"role":"assistant"},"finish_reason":null)");
  EXPECT_EQ(Verdict({text, second, stop, "[DONE]"}), "broken_answer");
  EXPECT_EQ(
      Verdict({text, second, stop,
               Chunk(R"("index":1,"delta":{},"finish_reason":"length")")}),
      "complete");
}

TEST(StreamVerdictTest, IsAnErrorOnFinishReasonsOutsideTheList) {
  for (const char* reason :
       {"abort", "error", "insufficient_system_resource"}) {
    EXPECT_EQ(Verdict({TextChunk("x"),
                       Chunk(absl::StrCat(R"("delta":{},"finish_reason":")",
                                          reason, "\"")),
                       "[DONE]"}),
              "broken_answer");
  }
}

TEST(StreamVerdictTest, IsTheProvidersError) {
  EXPECT_EQ(
      Verdict({TextChunk("x"),
               R"({"error":{"message":"busy","code":"rate_limit_exceeded"}})"}),
      "rate_limited");
  EXPECT_EQ(Verdict({R"({"error":{"message":"m","code":503}})"}), "transient");
  EXPECT_EQ(Verdict({R"({"error":{"message":"m","code":"402"}})"}),
            "out_of_quota");
  EXPECT_EQ(Verdict({R"({"error":"out of memory"})"}), "transient");
  // As a member of a chunk, and null where there is none.
  EXPECT_EQ(Verdict({Chunk(kStop, R"(,"error":{"code":502,"message":"x"})")}),
            "transient");
  EXPECT_EQ(Verdict({Chunk(kStop, R"(,"error":null)")}), "complete");
  StreamReader reader({});
  EXPECT_EQ(
      reader
          .Read(R"({"message":"down","type":"server_error"})", "error", nullptr)
          .kind,
      Kind::kError);
  EXPECT_EQ(reader.Finish(true)->kind, ProviderErrorKind::kTransient);
}

TEST(StreamReaderTest, SkipsAndCountsWhatIsNoChunk) {
  StreamReader reader({});
  std::vector<ChatDelta> deltas;
  for (const std::string& event :
       {std::string("{"), std::string("null"), std::string("hello"),
        TextChunk("x").substr(0, 60), TextChunk("\x80"), TextChunk("\\ud800"),
        TextChunk("a\"b"), Chunk(R"("index":-1,"delta":{"content":"x"})"),
        Chunk(R"("index":99999999999,"delta":{"content":"x"})")}) {
    const StreamEvent read = reader.Read(event, "", &deltas);
    EXPECT_EQ(read.kind, Kind::kInvalid) << event;
    EXPECT_FALSE(read.forward);
    EXPECT_FALSE(read.has_token);
  }
  EXPECT_EQ(reader.invalid_events(), 9);
  EXPECT_TRUE(deltas.empty());
  EXPECT_EQ(reader.token_events(), 0);
  reader.Read(TextChunk("ok"), "", &deltas);
  reader.Read(Chunk(kStop), "", &deltas);
  EXPECT_FALSE(reader.Finish(true).has_value());
}

// Reading by the shape of the event before must not show. Every event is read
// by a reader that knows a shape, and by a fresh one.
TEST(StreamReaderTest, ReadsKnownShapesAsItReadsNewOnes) {
  std::vector<std::string> events;
  for (const char* name : {"stream_text.jsonl", "stream_tools.jsonl",
                           "stream_ollama.jsonl", "stream_vllm.jsonl"}) {
    for (const std::string& line : TestdataLines(name)) {
      if (line != "[DONE]") events.push_back(line);
    }
  }
  for (const char* text :
       {"", "a", "\\n", "\xC3\xA9", "\\ud83d\\ude00", "}]", "x\\\"y",
        "a long text of more than sixty-four bytes, "
        "to be read by blocks of the scanner"}) {
    events.push_back(TextChunk(text));
  }
  std::mt19937 random(3);
  const std::string alphabet = "{}[]\",:\\un0\x80\xC3 a";
  int known = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string first = events[random() % events.size()];
    // The same event with another text, or any other, perhaps damaged.
    std::string second = random() % 4 == 0
                             ? events[random() % events.size()]
                             : absl::StrReplaceAll(first, {{"l", "L"}});
    for (int edits = random() % 3; edits > 0; --edits) {
      const size_t at = random() % second.size();
      if (random() % 2 == 0) {
        second[at] = alphabet[random() % alphabet.size()];
      } else {
        second.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
    }
    StreamReader warm({});
    StreamReader fresh({});
    std::vector<ChatDelta> warm_deltas;
    std::vector<ChatDelta> fresh_deltas;
    warm.Read(first, "", nullptr);
    const bool warmed = warm.token_events() > 0;
    const StreamEvent a = warm.Read(second, "", &warm_deltas);
    const StreamEvent b = fresh.Read(second, "", &fresh_deltas);
    ASSERT_EQ(a.kind, b.kind) << first << "\n" << second;
    ASSERT_EQ(a.forward, b.forward) << first << "\n" << second;
    ASSERT_EQ(a.has_token, b.has_token) << first << "\n" << second;
    ASSERT_EQ(warm_deltas.size(), fresh_deltas.size());
    for (size_t d = 0; d < warm_deltas.size(); ++d) {
      // Calls depend on those before them.
      if (warm_deltas[d].has_tool_call()) continue;
      ASSERT_TRUE(MessageDifferencer::Equals(warm_deltas[d], fresh_deltas[d]))
          << first << "\n"
          << second;
    }
    known += warmed && a.kind == Kind::kChunk;
  }
  EXPECT_GT(known, 4'000);
}

// Random answers, cut into random deltas, encoded, read and put together.
TEST(StreamCodecTest, GivesBackTheWholeAnswer) {
  ChatShape shape;
  shape.dialect = std::string(kDialect);
  ChatGenerator generator(shape, 5);
  for (int i = 0; i < 300; ++i) {
    const chat::v1::ChatResponse answer = generator.Answer();
    std::vector<ChatDelta> deltas;
    for (const auto& choice : answer.choices()) AppendDeltas(choice, &deltas);
    StreamEncoding encoding;
    encoding.id = answer.id();
    encoding.model = answer.model();
    encoding.created = answer.create_time().seconds();
    encoding.include_usage = answer.has_usage();
    encoding.messages.reasoning_field = "reasoning_content";
    StreamEncoder encoder(encoding);
    model_router::v1::Frames frames;
    for (const ChatDelta& delta : generator.CutUp(deltas)) {
      encoder.Append(delta, &frames);
    }
    encoder.AppendUsage(answer.usage(), &frames);
    encoder.AppendDone(&frames);

    std::vector<std::string> events;
    size_t begin = 0;
    for (const uint32_t end : frames.ends()) {
      const std::string event = frames.data().substr(begin, end - begin);
      ASSERT_TRUE(absl::StartsWith(event, "data: ")) << event;
      ASSERT_TRUE(absl::EndsWith(event, "\n\n")) << event;
      events.push_back(event.substr(6, event.size() - 8));
      begin = end;
    }
    ASSERT_EQ(begin, frames.data().size());
    StreamReader reader({.forward_usage_chunk = true});
    const Outcome outcome = ReadAll(&reader, events);
    ASSERT_FALSE(reader.Finish(true).has_value());
    ASSERT_EQ(reader.invalid_events(), 0);
    ASSERT_EQ(reader.id(), answer.id());
    ASSERT_EQ(reader.created(), answer.create_time().seconds());
    ASSERT_EQ(reader.usage().has_value(), answer.has_usage());
    if (answer.has_usage()) {
      ASSERT_TRUE(MessageDifferencer::Equals(*reader.usage(), answer.usage()));
    }
    ASSERT_EQ(outcome.choices.size(), answer.choices_size());
    for (int c = 0; c < answer.choices_size(); ++c) {
      ASSERT_TRUE(
          MessageDifferencer::Equals(outcome.choices[c], answer.choices(c)))
          << outcome.choices[c].DebugString()
          << answer.choices(c).DebugString();
    }
  }
}

TEST(StreamEncoderTest, WritesTheChunksOfTheDialect) {
  StreamEncoding encoding;
  encoding.id = "c";
  encoding.model = "m";
  encoding.created = 1;
  encoding.include_usage = true;
  encoding.framing = model_router::v1::FRAMING_JSON;
  StreamEncoder encoder(encoding);
  model_router::v1::Frames frames;
  ChatDelta delta;
  delta.set_text("Hi");
  encoder.Append(delta, &frames);
  delta.mutable_tool_call()->set_index(0);
  delta.mutable_tool_call()->set_id("call_1");
  delta.mutable_tool_call()->set_name("f");
  encoder.Append(delta, &frames);
  delta.mutable_tool_call()->clear_id();
  delta.mutable_tool_call()->clear_name();
  delta.mutable_tool_call()->set_arguments("{}");
  encoder.Append(delta, &frames);
  // No chunk can carry it, and no reader wants it.
  delta.set_reasoning("hidden");
  encoder.Append(delta, &frames);
  delta.set_finish_reason(chat::v1::FINISH_REASON_TOOL_CALLS);
  encoder.Append(delta, &frames);
  chat::v1::Usage usage;
  usage.set_uncached_input_tokens(8);
  usage.set_cached_input_tokens(32);
  usage.set_output_tokens(9);
  encoder.AppendUsage(usage, &frames);
  encoder.AppendDone(&frames);
  const std::string head =
      R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m",)";
  const std::vector<std::string> expected = {
      R"("choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"logprobs":null,"finish_reason":null}],"usage":null})",
      R"("choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"logprobs":null,"finish_reason":null}],"usage":null})",
      R"("choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"logprobs":null,"finish_reason":null}],"usage":null})",
      R"("choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null})",
      R"("choices":[],"usage":{"prompt_tokens":40,"completion_tokens":9,"total_tokens":49,"prompt_tokens_details":{"cached_tokens":32,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}})"};
  std::string all;
  for (const std::string& chunk : expected) absl::StrAppend(&all, head, chunk);
  EXPECT_EQ(frames.data(), all);
  EXPECT_EQ(frames.ends_size(), 5);
}

TEST(StreamEncoderTest, HasNoUsageKeyUnlessAsked) {
  StreamEncoding encoding;
  encoding.id = "c";
  encoding.model = "m";
  StreamEncoder encoder(encoding);
  model_router::v1::Frames frames;
  ChatDelta delta;
  delta.set_text("Hi");
  encoder.Append(delta, &frames);
  chat::v1::Usage usage;
  usage.set_output_tokens(9);
  encoder.AppendUsage(usage, &frames);
  EXPECT_EQ(frames.ends_size(), 1);
  EXPECT_EQ(frames.data().find("usage"), std::string::npos);
  encoder.AppendDone(&frames);
  EXPECT_TRUE(absl::EndsWith(frames.data(), "data: [DONE]\n\n"));
}

TEST(StreamEncoderTest, EndsABrokenStreamInAnError) {
  model_router::v1::Frames frames;
  AppendErrorEvent(MakeError(reason::kUpstreamBadResponse, "It broke."),
                   model_router::v1::FRAMING_SSE, &frames);
  EXPECT_EQ(
      frames.data(),
      "data: {\"error\":{\"message\":\"It broke.\",\"type\":\"upstream_error\","
      "\"param\":null,\"code\":\"upstream_bad_response\"}}\n\n");
}

}  // namespace
}  // namespace gateway::dialect::openai_chat
