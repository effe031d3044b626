#include "base/time_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'714'564'800);  // 2024-05-01T12:00:00Z

absl::Time Parsed(absl::string_view text) {
  const absl::StatusOr<absl::Time> time = ParseTimeText(text, kNow);
  EXPECT_TRUE(time.ok()) << text << ": " << time.status();
  return time.value_or(absl::InfinitePast());
}

TEST(TimeTextTest, ReadsTimesRelativeToNow) {
  EXPECT_EQ(Parsed("now"), kNow);
  EXPECT_EQ(Parsed("now-1h"), kNow - absl::Hours(1));
  EXPECT_EQ(Parsed("-1h30m"), kNow - absl::Minutes(90));
  EXPECT_EQ(Parsed("now-7d"), kNow - absl::Hours(24 * 7));
  EXPECT_EQ(Parsed("now+5m"), kNow + absl::Minutes(5));
}

TEST(TimeTextTest, ReadsUnixSecondsAndMilliseconds) {
  EXPECT_EQ(Parsed("1714564800"), kNow);
  EXPECT_EQ(Parsed("1714564800.5"), kNow + absl::Milliseconds(500));
  EXPECT_EQ(Parsed("1714564800000"), kNow);
}

TEST(TimeTextTest, ReadsRfc3339) {
  EXPECT_EQ(Parsed("2024-05-01T12:00:00Z"), kNow);
  EXPECT_EQ(Parsed("2024-05-01T14:00:00+02:00"), kNow);
  EXPECT_EQ(Parsed("2024-05-01T12:00:00.25Z"), kNow + absl::Milliseconds(250));
}

TEST(TimeTextTest, RefusesTheRestAndShowsWhatMayBeWritten) {
  for (const char* text : {"", "yesterday", "now-", "now1h", "-", "-1parsec", "1e9", "1.2.3",
                           "99999999999999999999", "2024-13-01T00:00:00Z", "NaN", "inf"}) {
    const absl::StatusOr<absl::Time> time = ParseTimeText(text, kNow);
    ASSERT_FALSE(time.ok()) << text << " was read as " << *time;
    EXPECT_THAT(std::string(time.status().message()), testing::HasSubstr("now-30m"));
  }
}

}  // namespace
}  // namespace pilotlight
