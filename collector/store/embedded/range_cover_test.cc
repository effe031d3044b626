#include "collector/store/embedded/range_cover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace pilotlight::collector {
namespace {

using testing::ElementsAre;

constexpr uint64_t kMinute = kNanosecondsOfMinute;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;

// "kind:from-to", times in minutes.
std::vector<std::string> Cover(TimeRange range, const CoverRules& rules, HasSum has_sum) {
  std::vector<std::string> pieces;
  for (const Piece& piece : CoverRange(range, rules, has_sum)) {
    const char* const names[] = {"window", "ten", "hour", "day", "totals"};
    pieces.push_back(absl::StrCat(names[static_cast<int>(piece.kind) - static_cast<int>(RecordKind::kWindow)],
                                  ":", piece.range.start_ns / kMinute, "-", piece.range.end_ns / kMinute));
  }
  return pieces;
}

bool Always(Level, uint64_t) { return true; }

TEST(RangeCoverTest, TheCoarsestSumsThatFitAndFinerOnesAtTheEnds) {
  EXPECT_THAT(Cover({kDay - 65 * kMinute, 3 * kDay + 15 * kMinute}, {}, Always),
              ElementsAre("window:1375-1380", "hour:1380-1440", "day:1440-4320", "ten:4320-4330",
                          "window:4330-4335"));
  EXPECT_THAT(Cover({5 * kMinute, 5 * kMinute}, {}, Always), ElementsAre());
}

TEST(RangeCoverTest, AnOpenSpanIsReadFromFinerRecords) {
  const auto closed_before_noon = [](Level level, uint64_t start_ns) {
    return start_ns + SpanNanoseconds(level) <= kDay / 2 + 10 * kMinute;
  };
  EXPECT_THAT(Cover({0, kDay}, {}, closed_before_noon),
              ElementsAre("hour:0-720", "ten:720-730", "window:730-1440"));
}

TEST(RangeCoverTest, ASumLiesInOneStep) {
  EXPECT_THAT(Cover({0, 2 * kHour}, {.step_ns = kHour}, Always), ElementsAre("hour:0-120"));
  EXPECT_THAT(Cover({30 * kMinute, 2 * kHour}, {.step_ns = kHour, .step_origin_ns = 30 * kMinute}, Always),
              ElementsAre("ten:30-120"));
  EXPECT_THAT(Cover({0, 20 * kMinute}, {.step_ns = kMinute}, Always), ElementsAre("window:0-20"));
}

TEST(RangeCoverTest, TotalsOfWindowsComeFromTheirOwnRecords) {
  const auto first_is_closed = [](Level level, uint64_t start_ns) {
    return level == Level::kTenMinutes && start_ns < 10 * kMinute;
  };
  EXPECT_THAT(Cover({5 * kMinute, 20 * kMinute}, {.step_ns = kMinute, .totals_only = true}, first_is_closed),
              ElementsAre("totals:5-10", "window:10-20"));
  EXPECT_THAT(Cover({0, 80 * kMinute}, {.totals_only = true}, Always),
              ElementsAre("hour:0-60", "totals:60-80"));
  EXPECT_THAT(Cover({0, 40 * kMinute}, {.horizons_ns = {20 * kMinute, 0, 0, 0}, .totals_only = true}, Always),
              ElementsAre("ten:0-20", "totals:20-40"));
}

TEST(RangeCoverTest, WhereFinerRecordsAreGoneACoarserOneBelongsToWhereItStarts) {
  const CoverRules rules = {.horizons_ns = {kDay, 0, 0, 0}};
  EXPECT_THAT(Cover({5 * kMinute, 25 * kMinute}, rules, Always), ElementsAre("ten:5-25"));
  EXPECT_THAT(Cover({25 * kMinute, kDay + 5 * kMinute}, rules, Always),
              ElementsAre("ten:25-60", "hour:60-1440", "window:1440-1445"));
  const CoverRules all_but_days = {.horizons_ns = {kDay, kDay, kDay, 0}};
  EXPECT_THAT(Cover({5 * kMinute, kDay}, all_but_days, Always), ElementsAre("day:5-1440"));
}

TEST(RangeCoverTest, PiecesAreSplitByBlock) {
  const std::vector<Piece> pieces = {{RecordKind::kWindow, {kDay - kMinute, kDay + kMinute}},
                                     {RecordKind::kTenMinutes, {kDay + 10 * kMinute, kDay + 20 * kMinute}},
                                     {RecordKind::kDay, {2 * kDay, 33 * kDay}}};
  const std::vector<BlockPieces> blocks = SplitByBlock(pieces, 7);
  ASSERT_EQ(blocks.size(), 4u);
  EXPECT_EQ(blocks[0].first_part, (BlockKey{0, 7, 0, BlockTier::kDay}));
  EXPECT_EQ(blocks[1].first_part, (BlockKey{1, 7, 0, BlockTier::kDay}));
  EXPECT_EQ(blocks[1].pieces.size(), 2u);
  EXPECT_EQ(blocks[2].first_part, (BlockKey{0, 7, 0, BlockTier::kMonth}));
  EXPECT_EQ(blocks[3].first_part, (BlockKey{32, 7, 0, BlockTier::kMonth}));
}

}  // namespace
}  // namespace pilotlight::collector
