#include "cli/time_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::cli {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'714'564'800);  // 2024-05-01T12:00:00Z
const absl::TimeZone kZone = absl::FixedTimeZone(2 * 60 * 60);

TEST(SpanTest, EndsNowAndLastsAsLongAsSinceSays) {
  const absl::StatusOr<TimeSpan> span = ResolveSpan(absl::Hours(6), "", "", kNow, kZone);
  ASSERT_TRUE(span.ok()) << span.status();
  EXPECT_EQ(span->start, kNow - absl::Hours(6));
  EXPECT_EQ(span->end, kNow);
}

TEST(SpanTest, CountsSinceBackFromTheGivenEnd) {
  const absl::StatusOr<TimeSpan> span = ResolveSpan(absl::Hours(1), "", "-1h", kNow, kZone);
  ASSERT_TRUE(span.ok()) << span.status();
  EXPECT_EQ(span->start, kNow - absl::Hours(2));
  EXPECT_EQ(span->end, kNow - absl::Hours(1));
}

TEST(SpanTest, ReadsBothEndsInEveryForm) {
  for (const char* from : {"-2h", "now-2h", "1714557600", "2024-05-01T10:00:00Z", "2024-05-01T12:00:00+02:00",
                           "2024-05-01 12:00", "2024-05-01T12:00", "2024-05-01 12:00:00"}) {
    const absl::StatusOr<TimeSpan> span = ResolveSpan(absl::Hours(1), from, "now", kNow, kZone);
    ASSERT_TRUE(span.ok()) << from << ": " << span.status();
    EXPECT_EQ(span->start, kNow - absl::Hours(2)) << from;
  }
}

TEST(SpanTest, ReadsADateAsItsLocalMidnight) {
  const absl::StatusOr<absl::Time> time = ParseLocalTimeText("2024-05-01", kNow, kZone);
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(*time, kNow - absl::Hours(14));
}

TEST(SpanTest, RefusesWhatIsNoTimeAndASpanThatIsEmpty) {
  for (const char* from : {"yesterday", "-1parsec", "2024-13-01", "now", "now+1h"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ResolveSpan(absl::Hours(1), from, "", kNow, kZone).status())) << from;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ResolveSpan(absl::ZeroDuration(), "", "", kNow, kZone).status()));
}

TEST(SpanTest, SaysTheDateOnceWithinADay) {
  EXPECT_EQ(SpanText({kNow - absl::Hours(1), kNow}, absl::UTCTimeZone()),
            "2024-05-01 11:00:00 to 12:00:00 UTC");
  EXPECT_EQ(SpanText({kNow - absl::Hours(24), kNow}, absl::UTCTimeZone()),
            "2024-04-30 12:00:00 to 2024-05-01 12:00:00 UTC");
}

}  // namespace
}  // namespace pilotlight::cli
