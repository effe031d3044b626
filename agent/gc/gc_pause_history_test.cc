#include "agent/gc/gc_pause_history.h"

#include <gmock/gmock.h>

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'750'000'000);

GoMemStats Collected(uint32_t cycles) {
  GoMemStats stats;
  stats.cycles = cycles;
  for (uint32_t i = 0; i < GoMemStats::kPauses; ++i) stats.pause_ns[i] = i + 1;
  return stats;
}

TEST(GcPauseHistoryTest, GivesWhatIsNewOfEachProgram) {
  GcPauseHistory history;
  EXPECT_THAT(history.Since("shop", Collected(5), kNow).pauses_ns, IsEmpty());
  EXPECT_THAT(history.Since("bank", Collected(1), kNow).pauses_ns, IsEmpty());
  EXPECT_THAT(history.Since("shop", Collected(7), kNow).pauses_ns, ElementsAre(6, 7));
  EXPECT_THAT(history.Since("bank", Collected(1), kNow).pauses_ns, IsEmpty());
}

TEST(GcPauseHistoryTest, BeginsAnewWithAProgramThatWasStartedAgain) {
  GcPauseHistory history;
  history.Since("shop", Collected(100), kNow);
  EXPECT_THAT(history.Since("shop", Collected(3), kNow).pauses_ns, IsEmpty());
  EXPECT_THAT(history.Since("shop", Collected(4), kNow).pauses_ns, ElementsAre(4));
}

TEST(GcPauseHistoryTest, CountsWhatWasOverwritten) {
  GcPauseHistory history;
  history.Since("shop", Collected(1), kNow);
  const GcPauses pauses = history.Since("shop", Collected(1001), kNow);
  EXPECT_EQ(pauses.pauses_ns.size(), GoMemStats::kPauses - 1);
  EXPECT_EQ(pauses.missed, 1000 - (GoMemStats::kPauses - 1));
}

TEST(GcPauseHistoryTest, ForgetsProgramsThatAreNotAskedAnyMore) {
  GcPauseHistory history;
  history.Since("shop", Collected(1), kNow);
  history.Since("bank", Collected(1), kNow + absl::Hours(2));
  EXPECT_EQ(history.size(), 1u);
}

}  // namespace
}  // namespace pilotlight::agent
