#include "exporters/format.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace pilotlight {
namespace {

TEST(FormatTest, DurationsHaveThreeSignificantDigitsInTheUnitThatFits) {
  EXPECT_EQ(FormatTimeSpan(absl::ZeroDuration()), "0s");
  EXPECT_EQ(FormatTimeSpan(absl::Nanoseconds(7)), "7ns");
  EXPECT_EQ(FormatTimeSpan(absl::Nanoseconds(1234)), "1.23µs");
  EXPECT_EQ(FormatTimeSpan(absl::Milliseconds(230)), "230ms");
  EXPECT_EQ(FormatTimeSpan(absl::Milliseconds(1515)), "1.51s");
  EXPECT_EQ(FormatTimeSpan(absl::Seconds(12.34)), "12.3s");
  EXPECT_EQ(FormatTimeSpan(absl::Seconds(90)), "1.5min");
  EXPECT_EQ(FormatTimeSpan(absl::Hours(36)), "1.5d");
  EXPECT_EQ(FormatTimeSpan(-absl::Milliseconds(20)), "-20ms");
}

TEST(FormatTest, ARoundingThatReachesTheNextUnitUsesIt) {
  EXPECT_EQ(FormatTimeSpan(absl::Microseconds(999600)), "1s");
  EXPECT_EQ(FormatBytes(1048575), "1MiB");
}

TEST(FormatTest, BytesUseBinaryUnits) {
  EXPECT_EQ(FormatBytes(0), "0B");
  EXPECT_EQ(FormatBytes(512), "512B");
  EXPECT_EQ(FormatBytes(1536), "1.5KiB");
  EXPECT_EQ(FormatBytes(INT64_MIN), "-8192PiB");
}

TEST(FormatTest, CountsHaveAllDigitsInGroups) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-123456), "-123,456");
}

TEST(FormatTest, ValuesFollowTheirUnit) {
  EXPECT_EQ(FormatValue(1520000000, "nanoseconds"), "1.52s");
  EXPECT_EQ(FormatValue(2048, "bytes"), "2KiB");
  EXPECT_EQ(FormatValue(2048, "count"), "2,048");
  EXPECT_EQ(FormatValue(2048, "requests"), "2,048 requests");
}

TEST(FormatTest, PercentagesNeverClaimNothingOrAllWhenItIsNot) {
  EXPECT_EQ(FormatPercent(0), "0%");
  EXPECT_EQ(FormatPercent(1), "100%");
  EXPECT_EQ(FormatPercent(0.1234), "12.3%");
  EXPECT_EQ(FormatPercent(0.0000001), "<0.01%");
  EXPECT_EQ(FormatPercent(0.9999), ">99.9%");
}

TEST(FormatTest, ASharePutsItsIntervalInBrackets) {
  EXPECT_EQ(FormatShare(0.123, {.lower = 0.1011, .upper = 0.1462}), "12.3% (10.1–14.6%)");
}

}  // namespace
}  // namespace pilotlight
