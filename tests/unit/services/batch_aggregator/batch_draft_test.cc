#include "services/batch_aggregator/batch_draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/status/error.h"

namespace gateway::batch_aggregator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::BatchHeader Header() {
  v1::BatchHeader header;
  header.mutable_context()->mutable_account()->set_tenant("acme");
  return header;
}

v1::BatchItem Typed(const std::string& id, const std::string& model = "m") {
  v1::BatchItem item;
  item.set_custom_id(id);
  item.mutable_typed()->set_model(model);
  item.mutable_typed()->add_messages()->set_role(chat::v1::ROLE_USER);
  return item;
}

v1::BatchItem Encoded(const std::string& id, const std::string& body) {
  v1::BatchItem item;
  item.set_custom_id(id);
  item.mutable_encoded()->set_dialect("openai_chat");
  item.mutable_encoded()->set_body(body);
  return item;
}

constexpr char kBody[] =
    R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";

class BatchDraftTest : public testing::Test {
 protected:
  BatchDraftTest() { EXPECT_TRUE(draft_.SetHeader(Header()).ok()); }

  absl::Status Add(const v1::BatchItem& item) {
    return draft_.Add(item).status();
  }

  BatchDraft draft_{{.max_items = 3, .max_bytes = 1000}};
};

TEST_F(BatchDraftTest, TakesTypedAndEncodedItems) {
  ASSERT_TRUE(Add(Typed("a")).ok());
  ASSERT_TRUE(Add(Encoded("b", kBody)).ok());
  const auto other = draft_.Add(Typed("c", "n"));
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->pending.model(), 1u);
  EXPECT_GT(other->pending.bytes(), 0);
  EXPECT_THAT(draft_.models(), ElementsAre("m", "n"));
  EXPECT_EQ(draft_.item_count(), 3);
  EXPECT_TRUE(draft_.Complete().ok());
}

TEST_F(BatchDraftTest, NeedsOneHeaderFirstAndAnItem) {
  BatchDraft empty({});
  EXPECT_TRUE(absl::IsInvalidArgument(empty.Add(Typed("a")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(empty.Complete()));
  EXPECT_TRUE(absl::IsInvalidArgument(draft_.SetHeader(Header())));
  EXPECT_EQ(ReasonOf(draft_.Complete()), reason::kMissingParameter);
}

TEST_F(BatchDraftTest, NamesTheItemAtFault) {
  ASSERT_TRUE(Add(Typed("a")).ok());
  const absl::Status twice = Add(Typed("a"));
  EXPECT_EQ(DetailOf(twice)->param(), "items[1].custom_id");
  EXPECT_EQ(DetailOf(Add(Typed("")))->param(), "items[1].custom_id");
  EXPECT_EQ(DetailOf(Add(Typed(std::string(257, 'x'))))->param(),
            "items[1].custom_id");
  EXPECT_EQ(DetailOf(Add(Typed("b", "")))->param(), "items[1].model");
  v1::BatchItem nothing;
  nothing.set_custom_id("b");
  EXPECT_EQ(DetailOf(Add(nothing))->param(), "items[1].request");
  v1::BatchItem silent = Typed("b");
  silent.mutable_typed()->clear_messages();
  EXPECT_EQ(DetailOf(Add(silent))->param(), "items[1].messages");
  EXPECT_TRUE(Add(Typed(std::string(256, 'x'))).ok());
}

TEST_F(BatchDraftTest, ChecksTheEnvelopeOfEncodedItems) {
  EXPECT_EQ(ReasonOf(Add(Encoded("b", "{"))), reason::kInvalidJson);
  const absl::Status no_model = Add(Encoded("b", R"({"messages":[]})"));
  EXPECT_THAT(DetailOf(no_model)->param(), HasSubstr("items[0]."));
  v1::BatchItem streamed = Encoded("b", kBody);
  streamed.mutable_encoded()->set_stream(true);
  EXPECT_EQ(DetailOf(Add(streamed))->param(), "items[0].stream");
  EXPECT_EQ(
      DetailOf(
          Add(Encoded(
              "b",
              R"({"model":"m","stream":true,"messages":[{"role":"user"}]})")))
          ->param(),
      "items[0].stream");
  v1::BatchItem foreign = Encoded("b", kBody);
  foreign.mutable_encoded()->set_dialect("anthropic");
  EXPECT_EQ(DetailOf(Add(foreign))->param(), "items[0].dialect");
}

TEST_F(BatchDraftTest, RefusesModelsThatTheCallerMayNotUse) {
  BatchDraft draft({});
  v1::BatchHeader header = Header();
  header.add_allowed_models("m");
  ASSERT_TRUE(draft.SetHeader(header).ok());
  EXPECT_TRUE(draft.Add(Typed("a")).ok());
  EXPECT_EQ(ReasonOf(draft.Add(Typed("b", "n")).status()),
            reason::kModelNotAllowed);
}

TEST_F(BatchDraftTest, BoundsItemsBytesAndMetadata) {
  EXPECT_EQ(ReasonOf(Add(Encoded("big", std::string(1001, ' ')))),
            reason::kBatchLimit);
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(Add(Typed(id)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Add(Typed("d"))));

  v1::BatchHeader header = Header();
  for (int i = 0; i < 16; ++i) {
    (*header.mutable_metadata())["k" + std::to_string(i)] = "v";
  }
  EXPECT_TRUE(BatchDraft({}).SetHeader(header).ok());
  (*header.mutable_metadata())["one more"] = "v";
  EXPECT_FALSE(BatchDraft({}).SetHeader(header).ok());
  v1::BatchHeader key = Header();
  key.set_idempotency_key(std::string(257, 'k'));
  EXPECT_FALSE(BatchDraft({}).SetHeader(key).ok());
}

TEST_F(BatchDraftTest, OnlyEqualItemsAtTemperatureZeroShareAKey) {
  v1::BatchItem cold = Typed("a");
  cold.mutable_typed()->set_temperature(0);
  v1::BatchItem equal = cold;
  equal.set_custom_id("b");
  const std::string key = draft_.Add(cold)->pending.share_key();
  EXPECT_THAT(key, testing::Not(IsEmpty()));
  EXPECT_EQ(draft_.Add(equal)->pending.share_key(), key);
  EXPECT_THAT(draft_.Add(Typed("c"))->pending.share_key(), IsEmpty());

  BatchDraft other({});
  v1::BatchHeader header = Header();
  header.mutable_context()->mutable_account()->set_user("somebody");
  ASSERT_TRUE(other.SetHeader(header).ok());
  EXPECT_NE(other.Add(cold)->pending.share_key(), key);
  equal.set_session_id("s");
  EXPECT_NE(other.Add(equal)->pending.share_key(),
            other.Add(Encoded("e", kBody))->pending.share_key());
  EXPECT_THAT(
      other
          .Add(Encoded(
              "f",
              R"({"model":"m","temperature":0,"messages":[{"role":"user"}]})"))
          ->pending.share_key(),
      testing::SizeIs(32));
}

TEST_F(BatchDraftTest, KnowsAnItemThatHoldsItsHistory) {
  v1::BatchItem item = Typed("a");
  EXPECT_FALSE(draft_.Add(item)->whole_history);
  item.set_custom_id("b");
  item.mutable_typed()->add_messages()->set_role(chat::v1::ROLE_ASSISTANT);
  item.mutable_typed()->add_messages()->set_role(chat::v1::ROLE_USER);
  EXPECT_TRUE(draft_.Add(item)->whole_history);
}

}  // namespace
}  // namespace gateway::batch_aggregator
