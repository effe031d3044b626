#include "agent/schedule/overhead_budget.h"

#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

using absl::Milliseconds;
using absl::Minutes;
using absl::Seconds;
using absl::ZeroDuration;

TEST(OverheadBudgetTest, TellsTheMeanUseOfASpan) {
  OverheadBudget budget(0.01, Seconds(100), Seconds(5));
  EXPECT_DOUBLE_EQ(budget.Settle(Seconds(110), Milliseconds(5050), Milliseconds(50)), 0.01);
  EXPECT_DOUBLE_EQ(budget.Settle(Seconds(120), Milliseconds(5050), ZeroDuration()), 0);
}

TEST(OverheadBudgetTest, AllowsABurst) {
  OverheadBudget budget(0.01, ZeroDuration(), ZeroDuration());
  budget.Settle(Seconds(10), Seconds(6), ZeroDuration());
  EXPECT_FALSE(budget.exhausted());
}

TEST(OverheadBudgetTest, EndsWhenTheMeanIsExceeded) {
  OverheadBudget budget(0.01, ZeroDuration(), ZeroDuration());
  budget.Settle(Minutes(10), Seconds(13), ZeroDuration());
  EXPECT_TRUE(budget.exhausted());
}

TEST(OverheadBudgetTest, CountsTheKernelsTime) {
  OverheadBudget budget(0.01, ZeroDuration(), ZeroDuration());
  budget.Settle(Minutes(10), ZeroDuration(), Seconds(13));
  EXPECT_TRUE(budget.exhausted());
}

TEST(OverheadBudgetTest, RecoversAtTheAllowedRate) {
  OverheadBudget budget(0.01, ZeroDuration(), ZeroDuration());
  budget.Settle(ZeroDuration(), Seconds(7), ZeroDuration());
  EXPECT_TRUE(budget.exhausted());
  budget.Settle(Seconds(99), Seconds(7), ZeroDuration());
  EXPECT_TRUE(budget.exhausted());
  budget.Settle(Seconds(101), Seconds(7), ZeroDuration());
  EXPECT_FALSE(budget.exhausted());
}

TEST(OverheadBudgetTest, TellsWhatIsLeft) {
  OverheadBudget budget(0.01, ZeroDuration(), ZeroDuration());
  EXPECT_DOUBLE_EQ(budget.left(), 1);
  budget.Settle(ZeroDuration(), Milliseconds(1500), ZeroDuration());
  EXPECT_DOUBLE_EQ(budget.left(), 0.75);
  budget.Settle(ZeroDuration(), Seconds(9), ZeroDuration());
  EXPECT_DOUBLE_EQ(budget.left(), -0.5);
}

TEST(OverheadBudgetTest, BooksWhatWasUsedBefore) {
  const OverheadBudget budget(0.01, ZeroDuration(), Seconds(3));
  EXPECT_DOUBLE_EQ(budget.left(), 0.5);
}

TEST(OverheadBudgetTest, ZeroMeansNoLimit) {
  OverheadBudget budget(0, ZeroDuration(), ZeroDuration());
  budget.Settle(Seconds(1), Minutes(10), ZeroDuration());
  EXPECT_FALSE(budget.exhausted());
  EXPECT_DOUBLE_EQ(budget.left(), 1);
}

}  // namespace
}  // namespace pilotlight::agent
