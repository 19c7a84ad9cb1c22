#ifndef TESTS_FAKES_PROVIDER_SCRIPT_H_
#define TESTS_FAKES_PROVIDER_SCRIPT_H_

#include <string>
#include <string_view>

namespace fake_provider {

// What one answer does, as the model name says. README.md lists the names.
// Says nothing of a dialect: openai.h turns it into bytes.
struct Script {
  // What the answer says.
  enum class Text { kWords, kEcho, kJson, kTools, kReasoning, kBig };
  // What goes wrong, and, for those that need one, after `at` content events.
  enum class Fault {
    kNone,
    kRefuse,              // an HTTP error `status` instead of an answer
    kResetBefore,         // RST instead of an answer
    kResetAfter,          // RST after `at` events
    kBlackhole,           // nothing, ever
    kHeadersThenSilence,  // the head, then nothing
    kStallAfter,          // nothing more after `at` events
    kPingsOnly,           // the head, then comments for ever
    kCutAfter,            // FIN after `at` events, body unfinished
    kCutMidEvent,         // the same, with half an event more
    kNoFinish,            // a clean end, but no finish reason and no [DONE]
    kDoneNoFinish,        // [DONE] without a finish reason
    kNoDone,              // a finish reason, but no [DONE]
    kError,               // an error object after `at` events, then the end
    kBadJson,             // a broken event after `at`, then the rest
    kEmpty200,            // 200 with an empty body
    kHtml200,             // 200 with a page
    kJsonError200,        // 200 with an error object as the whole body
    kCloseAfterAnswer,    // promises keep-alive, closes after the answer
    kNoUsage,             // no usage anywhere
    kUsageExtra,          // usage chunk with choices:null and extra objects
    kUsageOnFinish,       // usage on the finish chunk, none of its own
    kNullContent,         // content:null in the first chunk
    kFinishAbort,         // the finish reason is "abort"
    kCrlf,                // lines end in CRLF
    kDribble,             // written in pieces of seven bytes
    kNoStreamOptions,     // 400 if stream_options is there, else an answer
    kNoStream,            // a whole answer, whatever was asked for
    kFilterFirst,         // an event without choices before all others
    kFinishWithText,      // finish reason and last text in one event
    kUsageEvery,          // the usage so far on every event
    kEmptyId,             // the answer's id is empty
    kToolsIndexZero,      // every tool call has index 0
  };

  Text text = Text::kWords;
  Fault fault = Fault::kNone;
  // Content events of the answer, each of which is one completion token.
  int events = 8;
  // Wait before each content event but the first; 0 sends all at once.
  int pace_ms = 0;
  // Wait before the head, and between the head and the first content event.
  int head_delay_ms = 0;
  int first_delay_ms = 0;
  int at = 0;
  // Of kBig: the size of its single event's text.
  int big_kib = 1024;

  // Of kRefuse, and of kError when not streamed.
  int status = 500;
  int retry_after_s = -1;
  // The error object's fields; `code` is a number if `numeric_code`.
  std::string error_type = "server_error";
  std::string error_code = "internal";
  bool numeric_code = false;
  // The body is a page, or `{"error":"text"}`, or a validator's that repeats
  // the request, or blames stream_options.
  bool html = false;
  bool plain_error = false;
  bool repeats_request = false;
  bool blames_stream_options = false;

  // Half of the prompt's tokens are reported as cached.
  bool cached = false;

  // The first so many requests of this model name get `fault`, the rest none.
  int faulty_requests = -1;
};

// Reads a model name. A name that begins with `fake-` or `fault-` and is none
// of those listed gives false; any other name gives the default script.
bool ParseScript(std::string_view model, Script* script);

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_SCRIPT_H_
