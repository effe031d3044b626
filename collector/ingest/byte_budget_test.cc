#include "collector/ingest/byte_budget.h"

#include <gtest/gtest.h>

namespace pilotlight::collector {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1000);

TEST(ByteBudgetTest, LetsAMinutesWorthThroughAtOnce) {
  ByteBudget budget(100);
  EXPECT_EQ(budget.Spend(6000, kNow), absl::ZeroDuration());
  EXPECT_EQ(budget.Spend(200, kNow), absl::Seconds(2));
}

TEST(ByteBudgetTest, EarnsWithTimeButNotForever) {
  ByteBudget budget(100);
  EXPECT_EQ(budget.Spend(6100, kNow), absl::Seconds(1));
  EXPECT_EQ(budget.Spend(0, kNow + absl::Seconds(1)), absl::ZeroDuration());
  EXPECT_EQ(budget.Spend(6001, kNow + absl::Hours(9)), absl::Milliseconds(10));
}

TEST(ByteBudgetTest, EarnsNothingFromAClockThatIsPutBack) {
  ByteBudget budget(100);
  EXPECT_EQ(budget.Spend(6100, kNow), absl::Seconds(1));
  EXPECT_EQ(budget.Spend(0, kNow - absl::Hours(1)), absl::Seconds(1));
}

TEST(ByteBudgetTest, LendsToOneWhoHasSomethingLeft) {
  ByteBudget budget(100);
  EXPECT_TRUE(budget.TrySpend(6000, kNow));
  EXPECT_TRUE(budget.TrySpend(200, kNow));
  EXPECT_FALSE(budget.TrySpend(1, kNow + absl::Seconds(1)));
  EXPECT_TRUE(budget.TrySpend(1, kNow + absl::Seconds(2)));
}

TEST(ByteBudgetTest, IsNoLimitWhenItIsZero) {
  ByteBudget budget(0);
  EXPECT_EQ(budget.Spend(size_t{1} << 40, kNow), absl::ZeroDuration());
  EXPECT_TRUE(budget.TrySpend(size_t{1} << 40, kNow));
}

}  // namespace
}  // namespace pilotlight::collector
