#include "agent/schedule/duty_cycle.h"

#include <gmock/gmock.h>

#include <vector>

namespace pilotlight::agent {
namespace {

using absl::Seconds;
using testing::ElementsAre;

// The starts of `turns` turns that each take `busy`.
std::vector<int64_t> Starts(DutyCycle& cycle, int turns, absl::Duration busy) {
  std::vector<int64_t> starts;
  absl::Duration now;
  for (int i = 0; i < turns; ++i) {
    const Turn turn = cycle.Next();
    now = std::max(now, turn.start);
    starts.push_back(absl::ToInt64Seconds(now));
    now += busy;
    cycle.Finish(now);
  }
  return starts;
}

TEST(DutyCycleTest, StartsAfterItsPhaseAndKeepsTheInterval) {
  DutyCycle cycle(Seconds(60), 1, Seconds(100), Seconds(7));
  EXPECT_THAT(Starts(cycle, 3, Seconds(10)), ElementsAre(107, 167, 227));
}

TEST(DutyCycleTest, SpreadsSourcesOverTheInterval) {
  DutyCycle cycle(Seconds(60), 2, Seconds(0), Seconds(7));
  EXPECT_EQ(cycle.Next().source, 0u);
  EXPECT_THAT(Starts(cycle, 4, Seconds(10)), ElementsAre(7, 37, 67, 97));
}

TEST(DutyCycleTest, GoesBackToBackWhenTheWindowFillsTheInterval) {
  DutyCycle cycle(Seconds(10), 1, Seconds(0), Seconds(0));
  EXPECT_THAT(Starts(cycle, 3, Seconds(11)), ElementsAre(0, 11, 22));
}

TEST(DutyCycleTest, DoesNotCatchUpAfterAPause) {
  DutyCycle cycle(Seconds(60), 1, Seconds(0), Seconds(0));
  cycle.Finish(Seconds(1000));
  EXPECT_EQ(cycle.Next().start, Seconds(1000));
  cycle.Finish(Seconds(1010));
  EXPECT_EQ(cycle.Next().start, Seconds(1060));
}

TEST(DutyCycleTest, ALateSourceDoesNotStarveTheOther) {
  DutyCycle cycle(Seconds(10), 2, Seconds(0), Seconds(0));
  std::vector<size_t> sources;
  absl::Duration now;
  for (int i = 0; i < 4; ++i) {
    const Turn turn = cycle.Next();
    sources.push_back(turn.source);
    now = std::max(now, turn.start) + Seconds(10);
    cycle.Finish(now);
  }
  EXPECT_THAT(sources, ElementsAre(0, 1, 0, 1));
}

}  // namespace
}  // namespace pilotlight::agent
