#include "common/dialect/openai_chat/stream_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/dialect/openai_chat/answer_codec.h"
#include "common/dialect/openai_chat/error_codec.h"
#include "common/dialect/openai_chat/usage.h"

namespace gateway::dialect::openai_chat {
namespace {

using chat::v1::ChatDelta;

// A request asks for 128 at most.
constexpr int32_t kMaxChoices = 128;

// Reads a string, or steps over a null or anything else. `value` stays empty
// then.
bool ReadOptionalString(JsonScanner* scan, JsonString* value) {
  if (scan->Peek() == JsonType::kString) return scan->ReadString(value);
  return scan->SkipValue();
}

}  // namespace

StreamEvent StreamReader::Fail(ProviderError error) {
  error_ = std::move(error);
  return {StreamEvent::Kind::kError, /*forward=*/false, /*has_token=*/false};
}

StreamEvent StreamReader::Read(absl::string_view data, absl::string_view event,
                               std::vector<ChatDelta>* deltas) {
  if (data == "[DONE]") {
    return {StreamEvent::Kind::kDone, finished(), false};
  }
  pieces_.clear();
  has_token_ = false;
  if (!event.empty() && event == "error") {
    const std::optional<JsonRef> json = ParseJson(data);
    if (!json.has_value()) return Fail(BrokenAnswer("ended with an error"));
    const JsonRef error = json->Get("error");
    return Fail(DecodeErrorValue(error.absent() ? *json : error));
  }
  if (ReadKnownShape(data)) {
    has_token_ = !pieces_.front().text.raw.empty();
    Commit(deltas);
    token_events_ += has_token_;
    return {StreamEvent::Kind::kChunk, /*forward=*/true, has_token_};
  }
  if (!ReadChunk(data)) {
    ++invalid_events_;
    return {StreamEvent::Kind::kInvalid, /*forward=*/false, false};
  }
  if (!error_raw_.empty()) return Fail(DecodeErrorValue(JsonRef(error_raw_)));
  if (id_.empty() && !id_raw_.raw.empty()) id_ = id_raw_.Decode();
  if (model_.empty() && !model_raw_.raw.empty()) model_ = model_raw_.Decode();
  if (created_ == 0 && !created_raw_.empty()) {
    ParseInt64(created_raw_, &created_);
  }
  StreamEvent result;
  if (!usage_raw_.empty()) {
    if (std::optional<chat::v1::Usage> usage = DecodeUsage(JsonRef(usage_raw_));
        usage.has_value()) {
      usage_ = *std::move(usage);
    }
    if (choice_count_ == 0) result.forward = options_.forward_usage_chunk;
  }
  RememberShape(data);
  if (!Commit(deltas)) {
    return {StreamEvent::Kind::kError, /*forward=*/false, /*has_token=*/false};
  }
  token_events_ += has_token_;
  result.has_token = has_token_;
  return result;
}

// Valid because the event whose shape it has was, and because the text between
// is a string of its own.
bool StreamReader::ReadKnownShape(absl::string_view data) {
  const size_t begin = shape_begin_.size();
  const size_t end = shape_end_.size();
  if (begin == 0 || data.size() < begin + end ||
      std::memcmp(data.data(), shape_begin_.data(), begin) != 0 ||
      std::memcmp(data.data() + data.size() - end, shape_end_.data(), end) !=
          0) {
    return false;
  }
  // Both include a quote of the text.
  JsonScanner scan(data.substr(begin - 1));
  JsonString text;
  if (!scan.ReadString(&text) ||
      begin - 1 + scan.offset() != data.size() - end + 1 ||
      (scan.non_ascii() && !IsUtf8(text.raw))) {
    return false;
  }
  pieces_.push_back(shape_piece_);
  pieces_.back().text = text;
  return true;
}

void StreamReader::RememberShape(absl::string_view data) {
  if (pieces_.size() != 1 || !usage_raw_.empty() || choice_count_ != 1) return;
  const Piece& piece = pieces_.front();
  switch (piece.kind) {
    case Piece::Kind::kText:
    case Piece::Kind::kReasoning:
    case Piece::Kind::kRefusal:
      break;
    case Piece::Kind::kCall:
      if (!piece.id.raw.empty() || !piece.name.raw.empty() ||
          !piece.signature.raw.empty() || !piece.raw.empty()) {
        return;
      }
      break;
    default:
      return;
  }
  // A text that was not there has no place.
  if (piece.text.raw.data() == nullptr) return;
  const size_t begin = piece.text.raw.data() - data.data();
  const size_t end = begin + piece.text.raw.size();
  shape_begin_.assign(data.data(), begin);
  shape_end_.assign(data.data() + end, data.size() - end);
  shape_piece_ = Piece();
  shape_piece_.kind = piece.kind;
  shape_piece_.choice = piece.choice;
  shape_piece_.call_index = piece.call_index;
  shape_piece_.custom = piece.custom;
}

bool StreamReader::ReadChunk(absl::string_view data) {
  pieces_.clear();
  choice_count_ = 0;
  usage_raw_ = error_raw_ = created_raw_ = absl::string_view();
  id_raw_ = model_raw_ = JsonString();
  JsonScanner scan(data);
  if (scan.Peek() != JsonType::kObject || !scan.BeginObject()) return false;
  JsonString key;
  while (scan.NextMember(&key)) {
    const JsonType type = scan.Peek();
    if (key.Spells("choices") && type == JsonType::kArray) {
      if (!ReadChoices(&scan)) return false;
    } else if (key.Spells("usage") && type == JsonType::kObject) {
      scan.SkipValue(&usage_raw_);
    } else if (key.Spells("error") && type != JsonType::kNull) {
      scan.SkipValue(&error_raw_);
    } else if (key.Spells("id")) {
      ReadOptionalString(&scan, &id_raw_);
    } else if (key.Spells("model")) {
      ReadOptionalString(&scan, &model_raw_);
    } else if (key.Spells("created") && type == JsonType::kNumber) {
      scan.ReadNumber(&created_raw_);
    } else {
      scan.SkipValue();
    }
  }
  return scan.Finish();
}

bool StreamReader::ReadChoices(JsonScanner* scan) {
  scan->BeginArray();
  while (scan->NextElement()) {
    if (scan->Peek() != JsonType::kObject) return false;
    const size_t first = pieces_.size();
    choice_index_ = 0;
    if (!ReadChoice(scan)) return false;
    ++choice_count_;
    // A choice that has only been announced has to end as well.
    if (pieces_.size() == first) pieces_.emplace_back();
    // The index may stand behind the delta.
    for (size_t i = first; i < pieces_.size(); ++i) {
      pieces_[i].choice = choice_index_;
    }
  }
  return scan->ok();
}

bool StreamReader::ReadChoice(JsonScanner* scan) {
  scan->BeginObject();
  JsonString key;
  // Goes behind the delta's texts, wherever it stands.
  std::optional<Piece> finish;
  absl::string_view logprobs;
  while (scan->NextMember(&key)) {
    const JsonType type = scan->Peek();
    if (key.Spells("delta") && type == JsonType::kObject) {
      if (!ReadDelta(scan)) return false;
    } else if (key.Spells("index") && type == JsonType::kNumber) {
      absl::string_view number;
      int64_t index;
      if (!scan->ReadNumber(&number) || !ParseInt64(number, &index) ||
          index < 0 || index >= kMaxChoices) {
        return false;
      }
      choice_index_ = static_cast<int32_t>(index);
    } else if (key.Spells("finish_reason") && type == JsonType::kString) {
      finish.emplace();
      finish->kind = Piece::Kind::kFinish;
      if (!scan->ReadString(&finish->text)) return false;
      if (finish->text.raw.empty()) finish.reset();
    } else if (key.Spells("logprobs") && type == JsonType::kObject) {
      scan->SkipValue(&logprobs);
    } else {
      scan->SkipValue();
    }
  }
  if (!scan->ok()) return false;
  if (!logprobs.empty()) {
    pieces_.emplace_back();
    pieces_.back().kind = Piece::Kind::kLogprobs;
    pieces_.back().raw = logprobs;
  }
  if (finish.has_value()) pieces_.push_back(*finish);
  return true;
}

bool StreamReader::ReadDelta(JsonScanner* scan) {
  delta_first_ = pieces_.size();
  scan->BeginObject();
  JsonString key;
  while (scan->NextMember(&key)) {
    const JsonType type = scan->Peek();
    if (key.Spells("content")) {
      if (!ReadText(scan, Piece::Kind::kText)) return false;
    } else if (key.Spells("reasoning_content") || key.Spells("reasoning")) {
      if (!ReadText(scan, Piece::Kind::kReasoning)) return false;
    } else if (key.Spells("refusal")) {
      if (!ReadText(scan, Piece::Kind::kRefusal)) return false;
    } else if (key.Spells("tool_calls") && type == JsonType::kArray) {
      if (!ReadToolCalls(scan)) return false;
    } else if (key.Spells("function_call") && type == JsonType::kObject) {
      pieces_.emplace_back();
      pieces_.back().kind = Piece::Kind::kCall;
      pieces_.back().call_index = 0;
      has_token_ = true;
      if (!ReadFunction(scan, &pieces_.back())) return false;
    } else if (key.Spells("audio") && type == JsonType::kObject) {
      has_token_ = true;
      scan->SkipValue();
    } else {
      scan->SkipValue();
    }
  }
  return scan->ok();
}

bool StreamReader::ReadText(JsonScanner* scan, Piece::Kind kind) {
  if (scan->Peek() != JsonType::kString) {
    // Null; or a list of parts, whose texts are texts as well.
    absl::string_view raw;
    if (!scan->SkipValue(&raw)) return false;
    for (const JsonRef part : JsonRef(raw).Elements()) {
      JsonScanner text(part.Get("text").raw());
      pieces_.emplace_back();
      pieces_.back().kind = kind;
      if (text.Peek() != JsonType::kString ||
          !text.ReadString(&pieces_.back().text)) {
        pieces_.pop_back();
      } else if (!pieces_.back().text.raw.empty()) {
        has_token_ = true;
      }
    }
    return true;
  }
  JsonString text;
  if (!scan->ReadString(&text)) return false;
  // Both spellings of the reasoning in one delta say the same.
  if (kind == Piece::Kind::kReasoning && pieces_.size() > delta_first_ &&
      pieces_.back().kind == kind && pieces_.back().text.raw == text.raw) {
    return true;
  }
  pieces_.emplace_back();
  pieces_.back().kind = kind;
  pieces_.back().text = text;
  if (!text.raw.empty()) has_token_ = true;
  return true;
}

bool StreamReader::ReadToolCalls(JsonScanner* scan) {
  scan->BeginArray();
  while (scan->NextElement()) {
    if (scan->Peek() != JsonType::kObject || !ReadToolCall(scan)) return false;
    has_token_ = true;
  }
  return scan->ok();
}

bool StreamReader::ReadToolCall(JsonScanner* scan) {
  Piece piece;
  piece.kind = Piece::Kind::kCall;
  scan->BeginObject();
  JsonString key;
  absl::string_view extra;
  while (scan->NextMember(&key)) {
    const JsonType type = scan->Peek();
    if (key.Spells("index") && type == JsonType::kNumber) {
      absl::string_view number;
      int64_t index;
      if (!scan->ReadNumber(&number)) return false;
      if (ParseInt64(number, &index)) piece.call_index = index;
    } else if (key.Spells("id")) {
      if (!ReadOptionalString(scan, &piece.id)) return false;
    } else if (key.Spells("function") && type == JsonType::kObject) {
      if (!ReadFunction(scan, &piece)) return false;
    } else if (key.Spells("custom") && type == JsonType::kObject) {
      piece.custom = true;
      if (!ReadFunction(scan, &piece)) return false;
    } else if (key.Spells("extra_content") && type == JsonType::kObject) {
      scan->SkipValue(&extra);
    } else {
      scan->SkipValue();
    }
  }
  if (!scan->ok()) return false;
  if (!extra.empty()) {
    JsonScanner signature(
        JsonRef(extra).Get("google").Get("thought_signature").raw());
    if (signature.Peek() == JsonType::kString) {
      signature.ReadString(&piece.signature);
    }
  }
  pieces_.push_back(piece);
  return true;
}

bool StreamReader::ReadFunction(JsonScanner* scan, Piece* piece) {
  scan->BeginObject();
  JsonString key;
  while (scan->NextMember(&key)) {
    const JsonType type = scan->Peek();
    if (key.Spells("name")) {
      if (!ReadOptionalString(scan, &piece->name)) return false;
    } else if (key.Spells("arguments") || key.Spells("input")) {
      if (type == JsonType::kObject) {
        // Some servers forget to quote it.
        scan->SkipValue(&piece->raw);
      } else if (!ReadOptionalString(scan, &piece->text)) {
        return false;
      }
    } else {
      scan->SkipValue();
    }
  }
  return scan->ok();
}

StreamReader::Choice* StreamReader::FindChoice(int32_t index) {
  for (Choice& choice : choices_) {
    if (choice.index == index) return &choice;
  }
  choices_.emplace_back();
  choices_.back().index = index;
  return &choices_.back();
}

bool StreamReader::Commit(std::vector<ChatDelta>* deltas) {
  for (const Piece& piece : pieces_) {
    if (piece.kind == Piece::Kind::kFinish &&
        !ParseFinishReason(piece.text.Decode()).has_value()) {
      Fail(BrokenAnswer(absl::StrCat("ended its answer with '",
                                     piece.text.Decode().substr(0, 64), "'")));
      return false;
    }
  }
  for (const Piece& piece : pieces_) {
    Choice* choice = FindChoice(piece.choice);
    token_bytes_ += piece.kind == Piece::Kind::kFinish ||
                            piece.kind == Piece::Kind::kLogprobs
                        ? 0
                        : piece.text.raw.size() + piece.raw.size();
    if (piece.kind == Piece::Kind::kFinish) {
      choice->finish = *ParseFinishReason(piece.text.Decode());
    }
    if (piece.kind == Piece::Kind::kCall) {
      CommitCall(piece, choice, deltas);
      continue;
    }
    if (deltas == nullptr) continue;
    if (piece.kind != Piece::Kind::kLogprobs && piece.text.raw.empty()) {
      continue;
    }
    deltas->emplace_back();
    ChatDelta& delta = deltas->back();
    delta.set_choice(piece.choice);
    switch (piece.kind) {
      case Piece::Kind::kText:
        delta.set_text(piece.text.Decode());
        break;
      case Piece::Kind::kReasoning:
        delta.set_reasoning(piece.text.Decode());
        break;
      case Piece::Kind::kRefusal:
        delta.set_refusal(piece.text.Decode());
        break;
      case Piece::Kind::kFinish:
        delta.set_finish_reason(choice->finish);
        break;
      case Piece::Kind::kLogprobs:
        DecodeLogprobs(JsonRef(piece.raw), delta.mutable_logprobs());
        break;
      case Piece::Kind::kCall:
        break;
    }
  }
  return true;
}

void StreamReader::CommitCall(const Piece& piece, Choice* choice,
                              std::vector<ChatDelta>* deltas) {
  // Numbered in any case: the numbers are state.
  const std::string id = piece.id.Decode();
  const std::string name = piece.name.Decode();
  const std::optional<ToolCallNumbering::Place> place =
      choice->calls.Locate(piece.call_index, id, name);
  if (!place.has_value() || deltas == nullptr) return;
  deltas->emplace_back();
  deltas->back().set_choice(piece.choice);
  chat::v1::ToolCallDelta* call = deltas->back().mutable_tool_call();
  call->set_index(place->index);
  if (place->opened) {
    call->set_id(id.empty() ? MakeToolCallId(id_, piece.choice, place->index)
                            : id);
  }
  if (place->named) call->set_name(name);
  call->set_arguments(piece.raw.empty() ? piece.text.Decode()
                                        : std::string(piece.raw));
  if (!piece.signature.raw.empty()) {
    call->set_signature(piece.signature.Decode());
  }
  call->set_custom(piece.custom);
}

bool StreamReader::finished() const {
  for (const Choice& choice : choices_) {
    if (choice.finish == chat::v1::FINISH_REASON_UNSPECIFIED) return false;
  }
  return !choices_.empty();
}

chat::v1::FinishReason StreamReader::finish_reason() const {
  const Choice* lowest = nullptr;
  for (const Choice& choice : choices_) {
    if (lowest == nullptr || choice.index < lowest->index) lowest = &choice;
  }
  return lowest == nullptr ? chat::v1::FINISH_REASON_UNSPECIFIED
                           : lowest->finish;
}

std::optional<ProviderError> StreamReader::Finish(bool clean) const {
  if (error_.has_value()) return error_;
  if (finished() && clean) return std::nullopt;
  if (!clean) return BrokenAnswer("cut its answer off");
  if (invalid_events_ > 0) {
    return BrokenAnswer("sent events that are not JSON, and no finish reason");
  }
  return BrokenAnswer("ended its answer without a finish reason");
}

}  // namespace gateway::dialect::openai_chat
