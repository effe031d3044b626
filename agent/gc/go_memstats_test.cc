#include "agent/gc/go_memstats.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/support/go_memstats_record.h"

namespace pilotlight::agent {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'750'000'000);

TEST(GoMemStatsTest, ReadsARecord) {
  for (const uint32_t cycles : {1u, 2u, 255u, 256u, 257u, 70'000u}) {
    const std::optional<GoMemStats> stats = ParseGoMemStats(GoMemStatsRecord(cycles, kNow), kNow);
    ASSERT_TRUE(stats.has_value()) << cycles;
    EXPECT_EQ(stats->cycles, cycles);
    EXPECT_EQ(stats->pause_of(cycles), PauseOfCycle(cycles));
  }
}

TEST(GoMemStatsTest, ReadsARecordInWhichTheNextCycleIsNotCountedYet) {
  std::string memory = GoMemStatsRecord(8, kNow);
  const uint32_t cycles = 7;
  std::memcpy(memory.data() + kGoMemStatsBytes - sizeof(cycles), &cycles, sizeof(cycles));
  const std::optional<GoMemStats> stats = ParseGoMemStats(memory, kNow);
  ASSERT_TRUE(stats.has_value());
  EXPECT_EQ(stats->pause_of(7), PauseOfCycle(7));
}

TEST(GoMemStatsTest, RefusesWhatDoesNotFit) {
  const std::string good = GoMemStatsRecord(7, kNow);
  const auto with = [&good](size_t at, uint64_t value) {
    std::string memory = good;
    std::memcpy(memory.data() + at, &value, sizeof(value));
    return memory;
  };
  EXPECT_FALSE(ParseGoMemStats(GoMemStatsRecord(0, kNow), kNow).has_value()) << "no cycle yet";
  EXPECT_FALSE(ParseGoMemStats(with(0, 0), kNow).has_value()) << "no last collection";
  EXPECT_FALSE(ParseGoMemStats(good, kNow - absl::Hours(48)).has_value()) << "of the future";
  EXPECT_FALSE(ParseGoMemStats(with(8, 1), kNow).has_value()) << "the pauses do not add up";
  EXPECT_FALSE(ParseGoMemStats(with(16 + 8 * 100, 5), kNow).has_value()) << "a pause that was not yet";
  EXPECT_FALSE(ParseGoMemStats(with(16 + 2048 + 8 * 6, 5), kNow).has_value())
      << "the last pause ended at another time";
}

TEST(GoMemStatsTest, FindsTheRecordAmongOtherData) {
  std::string memory(8000, '\x5a');
  memory += GoMemStatsRecord(300, kNow);
  memory += std::string(24, '\0');
  EXPECT_EQ(FindGoMemStats(memory, kNow), 8000u);
  EXPECT_EQ(FindGoMemStats(absl::string_view(memory).substr(0, 8000), kNow), std::nullopt);
  EXPECT_EQ(FindGoMemStats("", kNow), std::nullopt);
}

}  // namespace
}  // namespace pilotlight::agent
