#include "agent/schedule/throttle.h"

#include <gtest/gtest.h>

#include <limits>

namespace pilotlight::agent {
namespace {

TEST(ThrottleTest, GrowsAsTheBudgetShrinks) {
  EXPECT_EQ(ThrottleFor(1), 0);
  EXPECT_EQ(ThrottleFor(0.5), 0);
  EXPECT_EQ(ThrottleFor(0.49), 1);
  EXPECT_EQ(ThrottleFor(0.24), 2);
  EXPECT_EQ(ThrottleFor(0.09), 3);
  EXPECT_EQ(ThrottleFor(-7), kMaxThrottle);
}

TEST(ThrottleTest, LeavesTheFullRateAlone) {
  const CaptureOptions options = Throttled({.duration = absl::Seconds(10), .frequency_hz = 99}, 0);
  EXPECT_EQ(options.frequency_hz, 99);
  EXPECT_EQ(options.duration, absl::Seconds(10));
}

TEST(ThrottleTest, EachStepIsCheaper) {
  double cost = std::numeric_limits<double>::max();
  for (int throttle = 0; throttle <= kMaxThrottle; ++throttle) {
    const CaptureOptions options = Throttled({.duration = absl::Seconds(10), .frequency_hz = 99}, throttle);
    const double samples = options.frequency_hz * absl::ToDoubleSeconds(options.duration);
    EXPECT_LT(samples, cost);
    cost = samples;
  }
}

TEST(ThrottleTest, TakesFewerOffCpuSamplesToo) {
  EXPECT_EQ(Throttled({.off_cpu_frequency_hz = 20}, kMaxThrottle).off_cpu_frequency_hz, 5);
}

TEST(ThrottleTest, StaysWithinWhatSourcesTake) {
  const CaptureOptions options =
      Throttled({.duration = absl::Milliseconds(100), .frequency_hz = 1, .off_cpu_frequency_hz = 1}, 3);
  EXPECT_EQ(options.frequency_hz, 1);
  EXPECT_EQ(options.off_cpu_frequency_hz, 1);
  EXPECT_EQ(options.duration, absl::Milliseconds(100));
}

}  // namespace
}  // namespace pilotlight::agent
