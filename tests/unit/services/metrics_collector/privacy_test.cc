#include "services/metrics_collector/privacy.h"

#include "tests/unit/services/metrics_collector/records.h"

namespace gateway::metrics_collector {
namespace {

v1::RequestRecord RecordWithContents(v1::Outcome outcome) {
  v1::RequestRecord record = Record("r", 1);
  record.set_outcome(outcome);
  record.set_client_request_id("c");
  record.set_request_content("question");
  record.set_answer_content("answer");
  return record;
}

bool KeepsContents(config::v1::Contents contents, v1::Outcome outcome) {
  v1::RequestRecord record = RecordWithContents(outcome);
  Privacy(/*covert=*/false, contents).Strip(record);
  EXPECT_EQ(record.request_content().empty(), record.answer_content().empty());
  EXPECT_EQ(record.account().user(), "ann");
  return !record.request_content().empty();
}

TEST(PrivacyTest, KeepsContentsAsToldTo) {
  using config::v1::CONTENTS_ALL;
  using config::v1::CONTENTS_ERRORS;
  using config::v1::CONTENTS_OFF;
  using config::v1::CONTENTS_UNSPECIFIED;
  EXPECT_TRUE(KeepsContents(CONTENTS_ALL, v1::OUTCOME_COMPLETED));
  EXPECT_TRUE(KeepsContents(CONTENTS_ERRORS, v1::OUTCOME_FAILED));
  EXPECT_FALSE(KeepsContents(CONTENTS_ERRORS, v1::OUTCOME_COMPLETED));
  EXPECT_FALSE(KeepsContents(CONTENTS_OFF, v1::OUTCOME_FAILED));
  EXPECT_FALSE(KeepsContents(CONTENTS_UNSPECIFIED, v1::OUTCOME_FAILED));
}

TEST(PrivacyTest, CovertKeepsNothingOfAPerson) {
  const Privacy covert(true, config::v1::CONTENTS_ALL);
  v1::RequestRecord record = RecordWithContents(v1::OUTCOME_COMPLETED);
  covert.Strip(record);
  EXPECT_EQ(record.account().tenant(), "acme");
  EXPECT_EQ(record.account().key_id(), "");
  EXPECT_EQ(record.account().user(), "");
  EXPECT_EQ(record.session_id(), "");
  EXPECT_EQ(record.client_request_id(), "");
  EXPECT_EQ(record.request_content(), "");
  EXPECT_EQ(record.answer_content(), "");

  v1::Beat beat;
  *beat.add_open_requests()->mutable_account() = Row("r", 1, 1).account();
  covert.Strip(beat);
  EXPECT_EQ(beat.open_requests(0).account().tenant(), "acme");
  EXPECT_EQ(beat.open_requests(0).account().key_id(), "");
  EXPECT_EQ(beat.open_requests(0).account().user(), "");

  v1::UsageRow row = Row("r", 1, 1);
  covert.Strip(row);
  EXPECT_EQ(row.account().tenant(), "acme");
  EXPECT_EQ(row.account().key_id(), "");
  EXPECT_EQ(row.account().user(), "");
  EXPECT_EQ(row.usage().output_tokens(), 5);
}

TEST(PrivacyTest, OtherwiseRowsStayWhole) {
  v1::UsageRow row = Row("r", 1, 1);
  Privacy(false, config::v1::CONTENTS_OFF).Strip(row);
  EXPECT_EQ(row.account().user(), "ann");
}

}  // namespace
}  // namespace gateway::metrics_collector
