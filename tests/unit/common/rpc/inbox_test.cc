#include "common/rpc/inbox.h"

#include <gtest/gtest.h>

#include <string>

#include "gateway/common/v1/error.pb.h"

namespace gateway::rpc {
namespace {

class InboxTest : public testing::Test {
 protected:
  // A message arrives; returns whether to read on.
  bool Arrive(size_t bytes) {
    inbox_.slot().set_reason(std::string(bytes, 'x'));
    return inbox_.Add([&] { ++pauses_; });
  }

  Inbox<common::v1::ErrorDetail> inbox_;
  std::vector<common::v1::ErrorDetail> taken_;
  bool ended_ = false;
  int pauses_ = 0;
};

TEST_F(InboxTest, GivesAllThatArrivedAtOnce) {
  EXPECT_TRUE(Arrive(1));
  EXPECT_TRUE(Arrive(2));
  ASSERT_TRUE(inbox_.Take(taken_, ended_));
  ASSERT_EQ(taken_.size(), 2);
  EXPECT_EQ(taken_[1].reason(), "xx");
  EXPECT_FALSE(ended_);
  taken_.clear();
  EXPECT_FALSE(inbox_.Take(taken_, ended_));
}

TEST_F(InboxTest, PausesAtTheBoundUntilTheMessagesAreDealtWith) {
  EXPECT_TRUE(Arrive(kMaxPendingBytes / 2));
  EXPECT_FALSE(Arrive(kMaxPendingBytes / 2));
  EXPECT_EQ(pauses_, 1);
  ASSERT_TRUE(inbox_.Take(taken_, ended_));
  EXPECT_TRUE(inbox_.Release());
  EXPECT_FALSE(inbox_.Release());
}

TEST_F(InboxTest, CountsWhatIsTakenUntilItIsReleased) {
  EXPECT_TRUE(Arrive(kMaxPendingBytes * 3 / 4));
  ASSERT_TRUE(inbox_.Take(taken_, ended_));
  EXPECT_FALSE(Arrive(kMaxPendingBytes / 2));
  EXPECT_TRUE(inbox_.Release());
}

TEST_F(InboxTest, TellsTheEndAfterTheLastMessage) {
  EXPECT_TRUE(Arrive(1));
  inbox_.End();
  EXPECT_TRUE(inbox_.Take(taken_, ended_));
  taken_.clear();
  EXPECT_FALSE(inbox_.Take(taken_, ended_));
  EXPECT_TRUE(ended_);
}

TEST_F(InboxTest, ReadsNoFurtherOnceClosed) {
  EXPECT_FALSE(inbox_.Close());
  EXPECT_FALSE(Arrive(1));
  EXPECT_EQ(pauses_, 0);
}

TEST_F(InboxTest, ClosingTellsOfAPause) {
  EXPECT_FALSE(Arrive(kMaxPendingBytes));
  EXPECT_TRUE(inbox_.Close());
  EXPECT_FALSE(inbox_.Close());
}

}  // namespace
}  // namespace gateway::rpc
