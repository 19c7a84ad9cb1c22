#include "services/batch_aggregator/batch_draft.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "common/dialect/openai_chat/envelope.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/batch_aggregator/item_key.h"

namespace gateway::batch_aggregator {
namespace {

constexpr int kMaxMetadata = 16;
constexpr size_t kMaxMetadataBytes = 4096;
constexpr size_t kMaxNameBytes = 256;

absl::Status CheckName(absl::string_view param, const std::string& name,
                       bool required) {
  if (required && name.empty()) return MissingParameter(param);
  if (name.size() > kMaxNameBytes) {
    return InvalidParameter(
        param, absl::StrCat("it has ", name.size(), " bytes, at most ",
                            kMaxNameBytes, " are allowed"));
  }
  return absl::OkStatus();
}

// Names the item in the error's param and text.
absl::Status InItem(int64_t index, const absl::Status& status) {
  ErrorDetail detail = DetailOrDefault(status);
  const std::string item = absl::StrCat("items[", index, "]");
  detail.set_param(
      detail.param().empty() ? item : absl::StrCat(item, ".", detail.param()));
  return WithDetail(
      absl::Status(status.code(), absl::StrCat(item, ": ", status.message())),
      detail);
}

bool AssistantAnywhereButLast(const chat::v1::ChatRequest& chat) {
  for (int i = 0; i + 1 < chat.messages_size(); ++i) {
    if (chat.messages(i).role() == chat::v1::ROLE_ASSISTANT) return true;
  }
  return false;
}

}  // namespace

absl::Status BatchDraft::SetHeader(const v1::BatchHeader& header) {
  if (has_header_) {
    return InvalidParameter("header", "exactly one header goes first");
  }
  RETURN_IF_ERROR(CheckName("header.idempotency_key", header.idempotency_key(),
                            /*required=*/false));
  if (header.metadata_size() > kMaxMetadata) {
    return InvalidParameter(
        "header.metadata",
        absl::StrCat("at most ", kMaxMetadata, " pairs are allowed"));
  }
  size_t bytes = 0;
  for (const auto& [key, value] : header.metadata()) {
    bytes += key.size() + value.size();
  }
  if (bytes > kMaxMetadataBytes) {
    return InvalidParameter(
        "header.metadata",
        absl::StrCat("at most ", kMaxMetadataBytes, " bytes are allowed"));
  }
  header_ = header;
  has_header_ = true;
  return absl::OkStatus();
}

absl::StatusOr<BatchDraft::Facts> BatchDraft::Add(const v1::BatchItem& item) {
  if (!has_header_) {
    return InvalidParameter("header", "exactly one header goes first").Build();
  }
  const int64_t index = item_count();
  if (index >= limits_.max_items) {
    return MakeError(reason::kBatchLimit,
                     absl::StrCat("a batch may have at most ",
                                  limits_.max_items, " items"))
        .Build();
  }
  Facts facts;
  facts.pending.set_bytes(static_cast<int64_t>(item.ByteSizeLong()));
  if (facts.pending.bytes() > limits_.max_bytes - bytes_) {
    return MakeError(reason::kBatchLimit,
                     absl::StrCat("the items of a batch may have at most ",
                                  limits_.max_bytes, " bytes together"))
        .Build();
  }
  facts.pending.set_custom_id(item.custom_id());
  const absl::Status checked = CheckItem(item, facts);
  if (!checked.ok()) return InItem(index, checked);
  if (!ids_.insert(item.custom_id()).second) {
    return InItem(index, InvalidParameter("custom_id",
                                          "another item has the same custom id")
                             .Build());
  }
  bytes_ += facts.pending.bytes();
  return facts;
}

absl::Status BatchDraft::CheckItem(const v1::BatchItem& item, Facts& facts) {
  RETURN_IF_ERROR(CheckName("custom_id", item.custom_id(), /*required=*/true));
  RETURN_IF_ERROR(
      CheckName("session_id", item.session_id(), /*required=*/false));
  switch (item.request_case()) {
    case v1::BatchItem::kTyped:
      return ReadTyped(item, facts);
    case v1::BatchItem::kEncoded:
      return ReadEncoded(item, facts);
    case v1::BatchItem::REQUEST_NOT_SET:
      return MissingParameter("request");
  }
  return MissingParameter("request");
}

absl::Status BatchDraft::ReadTyped(const v1::BatchItem& item, Facts& facts) {
  const chat::v1::ChatRequest& chat = item.typed();
  if (chat.messages().empty()) return MissingParameter("messages");
  facts.whole_history = AssistantAnywhereButLast(chat);
  std::optional<double> temperature;
  if (chat.has_temperature()) temperature = chat.temperature();
  facts.pending.set_share_key(
      ItemKey(header_.context().account(), item, temperature));
  return SetModel(chat.model(), facts);
}

absl::Status BatchDraft::ReadEncoded(const v1::BatchItem& item, Facts& facts) {
  const model_router::v1::EncodedRequest& encoded = item.encoded();
  if (encoded.dialect() != dialect::openai_chat::kDialect) {
    return InvalidParameter("dialect", "this dialect is not known");
  }
  ASSIGN_OR_RETURN(const dialect::openai_chat::Envelope envelope,
                   dialect::openai_chat::ReadEnvelope(encoded.body()));
  if (encoded.stream() || envelope.stream) {
    return InvalidParameter("stream", "an item of a batch is not streamed");
  }
  facts.whole_history = envelope.assistant_anywhere_but_last;
  facts.pending.set_share_key(
      ItemKey(header_.context().account(), item, envelope.temperature));
  return SetModel(envelope.model, facts);
}

absl::Status BatchDraft::SetModel(const std::string& model, Facts& facts) {
  if (model.empty()) return MissingParameter("model");
  const auto& allowed = header_.allowed_models();
  if (!allowed.empty() &&
      std::find(allowed.begin(), allowed.end(), model) == allowed.end()) {
    return ModelNotAllowed(model);
  }
  const auto [found, added] =
      model_indices_.try_emplace(model, static_cast<uint32_t>(models_.size()));
  if (added) models_.push_back(model);
  facts.pending.set_model(found->second);
  return absl::OkStatus();
}

absl::Status BatchDraft::Complete() const {
  if (!has_header_) {
    return InvalidParameter("header", "exactly one header goes first");
  }
  if (ids_.empty()) return MissingParameter("items");
  return absl::OkStatus();
}

}  // namespace gateway::batch_aggregator
