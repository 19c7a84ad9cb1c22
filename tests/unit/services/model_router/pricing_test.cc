#include "services/model_router/pricing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace gateway::model_router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// $5 and $20 a million tokens, a cache read at a tenth.
Price PlainPrice() {
  return {.input = 5'000'000, .output = 20'000'000, .cache_read = 500'000};
}

chat::v1::Usage Tokens(int64_t input, int64_t output) {
  chat::v1::Usage usage;
  usage.set_uncached_input_tokens(input);
  usage.set_output_tokens(output);
  return usage;
}

TEST(CostOfTest, AddsInputAndOutput) {
  const v1::Cost cost = CostOf(Tokens(1000, 100), PlainPrice());
  EXPECT_TRUE(cost.priced());
  EXPECT_EQ(cost.pico_usd(), 1000 * 5'000'000ll + 100 * 20'000'000ll);
}

TEST(CostOfTest, PricesEachKindOfInputByItself) {
  Price price = PlainPrice();
  price.cache_write_5m = 6'250'000;
  price.cache_write_1h = 10'000'000;
  chat::v1::Usage usage;
  usage.set_uncached_input_tokens(1);
  usage.set_cached_input_tokens(10);
  usage.set_cache_write_5m_tokens(100);
  usage.set_cache_write_1h_tokens(1000);
  EXPECT_EQ(
      CostOf(usage, price).pico_usd(),
      5'000'000ll + 10 * 500'000ll + 100 * 6'250'000ll + 1000 * 10'000'000ll);
  EXPECT_EQ(InputTokens(usage), 1111);
}

TEST(CostOfTest, ReasoningCostsAsOutputUnlessItHasItsOwnPrice) {
  chat::v1::Usage usage = Tokens(0, 10);
  usage.set_reasoning_tokens(4);
  Price price = PlainPrice();
  EXPECT_EQ(CostOf(usage, price).pico_usd(), 10 * 20'000'000ll);
  price.reasoning = 1;
  EXPECT_EQ(CostOf(usage, price).pico_usd(), 6 * 20'000'000ll + 4);
}

TEST(CostOfTest, AudioIsPartOfInputAndOutput) {
  chat::v1::Usage usage = Tokens(10, 10);
  usage.set_audio_input_tokens(3);
  usage.set_audio_output_tokens(2);
  Price price = PlainPrice();
  EXPECT_FALSE(CostOf(usage, price).priced());
  price.audio_input = 1;
  price.audio_output = 2;
  EXPECT_EQ(CostOf(usage, price).pico_usd(),
            7 * 5'000'000ll + 3 + 8 * 20'000'000ll + 4);
}

TEST(CostOfTest, UnknownPriceOfTokensThatWereUsedIsNeverZero) {
  Price price = PlainPrice();
  price.cache_read.reset();
  EXPECT_TRUE(CostOf(Tokens(1, 1), price).priced());
  chat::v1::Usage usage = Tokens(1, 1);
  usage.set_cached_input_tokens(1);
  const v1::Cost cost = CostOf(usage, price);
  EXPECT_FALSE(cost.priced());
  EXPECT_EQ(cost.pico_usd(), 0);
}

TEST(CostOfTest, NoTokensCostNothingWhateverThePrice) {
  const v1::Cost cost = CostOf({}, {});
  EXPECT_TRUE(cost.priced());
  EXPECT_EQ(cost.pico_usd(), 0);
}

TEST(CostOfTest, AZeroPriceIsAPrice) {
  const v1::Cost cost = CostOf(Tokens(7, 7), {.input = 0, .output = 0});
  EXPECT_TRUE(cost.priced());
  EXPECT_EQ(cost.pico_usd(), 0);
}

TEST(CostOfTest, ASumBeyond64BitsIsUnpriced) {
  const int64_t max = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(CostOf(Tokens(max, 0), {.input = 1}).pico_usd(), max);
  EXPECT_FALSE(CostOf(Tokens(max, 1), {.input = 1, .output = 1}).priced());
  EXPECT_FALSE(CostOf(Tokens(max, 0), {.input = max}).priced());
}

TEST(CostOfTest, NonsenseCountsAreCut) {
  chat::v1::Usage usage = Tokens(-5, 10);
  usage.set_reasoning_tokens(50);
  usage.set_cached_input_tokens(-1);
  EXPECT_EQ(CostOf(usage, PlainPrice()).pico_usd(), 10 * 20'000'000ll);
}

TEST(PriceFaultsTest, AcceptsWhatProvidersPublish) {
  Price price = PlainPrice();
  price.cache_write_5m = 6'250'000;
  price.cache_write_1h = 10'000'000;
  EXPECT_THAT(PriceFaults(price), IsEmpty());
  EXPECT_THAT(PriceFaults({}), IsEmpty());
}

TEST(PriceFaultsTest, NamesEveryFault) {
  Price price = {.input = 100,
                 .output = -1,
                 .cache_read = 101,
                 .cache_write_5m = 99,
                 .cache_write_1h = 301};
  EXPECT_THAT(
      PriceFaults(price),
      ElementsAre(HasSubstr("output"), HasSubstr("cacheRead"),
                  HasSubstr("cacheWrite5m"), HasSubstr("cacheWrite1h")));
  price = {.input = 100, .cache_write_1h = 300};
  EXPECT_THAT(PriceFaults(price), IsEmpty());
}

}  // namespace
}  // namespace gateway::model_router
