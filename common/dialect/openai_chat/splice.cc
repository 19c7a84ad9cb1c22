#include "common/dialect/openai_chat/splice.h"

#include "absl/strings/str_cat.h"
#include "common/dialect/json_scan.h"
#include "common/dialect/json_write.h"
#include "common/status/macros.h"

namespace gateway::dialect::openai_chat {
namespace {

// The member with the comma that would be left over. It is not the only one.
ByteSpan StreamOptionsMember(absl::string_view body, const Envelope& envelope) {
  constexpr absl::string_view kSpace = " \t\r\n";
  ByteSpan member{envelope.stream_options_key, envelope.stream_options.end};
  const size_t before = body.find_last_not_of(kSpace, member.begin - 1);
  if (body[before] == ',') {
    member.begin = before;
  } else {
    member.end = body.find(',', member.end) + 1;
  }
  return member;
}

void SpliceUsage(absl::string_view body, const Envelope& envelope,
                 const SpliceOptions& options, BodySplicer* splicer) {
  const ByteSpan& whole = envelope.stream_options;
  if (options.drop_stream_options) {
    if (!whole.empty()) {
      splicer->Replace(StreamOptionsMember(body, envelope), "");
    }
    return;
  }
  if (!options.force_include_usage || !envelope.stream ||
      envelope.include_usage) {
    return;
  }
  constexpr absl::string_view kMember = "\"include_usage\":true";
  if (!envelope.include_usage_value.empty()) {
    splicer->Replace(envelope.include_usage_value, "true");
  } else if (envelope.stream_options_has_members) {
    splicer->Insert(whole.begin + 1, absl::StrCat(kMember, ","));
  } else if (!whole.empty()) {
    // null or {}
    splicer->Replace(whole, absl::StrCat("{", kMember, "}"));
  } else {
    splicer->Insert(envelope.members_begin,
                    absl::StrCat("\"stream_options\":{", kMember, "},"));
  }
}

void SpliceTokenLimit(absl::string_view body, const Envelope& envelope,
                      const SpliceOptions& options, BodySplicer* splicer) {
  const int64_t limit = options.max_output_tokens;
  if (limit <= 0) return;
  const std::string value = absl::StrCat(limit);
  if (envelope.max_output_tokens.has_value()) {
    // Whichever of the two the provider reads.
    for (const ByteSpan& span :
         {envelope.max_tokens, envelope.max_completion_tokens}) {
      int64_t given;
      if (ParseInt64(body.substr(span.begin, span.end - span.begin), &given) &&
          given > limit) {
        splicer->Replace(span, value);
      }
    }
    return;
  }
  // A null stands there, or nothing.
  const ByteSpan& span = options.max_tokens_field == "max_tokens"
                             ? envelope.max_tokens
                             : envelope.max_completion_tokens;
  if (!span.empty()) {
    splicer->Replace(span, value);
  } else {
    splicer->Insert(
        envelope.members_begin,
        absl::StrCat("\"", options.max_tokens_field, "\":", value, ","));
  }
}

absl::Status SpliceMessages(const Envelope& envelope,
                            const SpliceOptions& options,
                            BodySplicer* splicer) {
  if (!options.system_text.empty() && !envelope.has_system_text) {
    std::string system;
    {
      JsonObject message(&system);
      message.String("role", "system");
      message.String("content", options.system_text);
    }
    system.push_back(',');
    splicer->Insert(envelope.first_message, system);
  }
  if (options.stored.empty()) return absl::OkStatus();
  std::string stored;
  MessageEncoding encoding = options.messages;
  encoding.from_store = true;
  {
    JsonArray list(&stored);
    for (const chat::v1::Message* message : options.stored) {
      RETURN_IF_ERROR(AppendMessage(*message, "session", encoding, &list));
    }
  }
  // Without its brackets.
  stored.pop_back();
  if (stored.size() == 1) return absl::OkStatus();
  if (envelope.first_after_system < envelope.messages.end) {
    stored.push_back(',');
    splicer->Insert(envelope.first_after_system,
                    absl::string_view(stored).substr(1));
  } else {
    stored.front() = ',';
    splicer->Insert(envelope.messages.end - 1, stored);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SplicedBody> Splice(absl::string_view body,
                                   const Envelope& envelope,
                                   const SpliceOptions& options) {
  BodySplicer splicer(body);
  // In this order: what goes in as the first member stands before what is cut
  // out there.
  SpliceTokenLimit(body, envelope, options, &splicer);
  SpliceUsage(body, envelope, options, &splicer);
  if (options.model != envelope.model) {
    std::string model;
    AppendJsonString(options.model, &model);
    splicer.Replace(envelope.model_value, model);
  }
  RETURN_IF_ERROR(SpliceMessages(envelope, options, &splicer));
  return splicer.Finish();
}

}  // namespace gateway::dialect::openai_chat
