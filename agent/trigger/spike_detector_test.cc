#include "agent/trigger/spike_detector.h"

#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

using absl::Seconds;

SpikeDetector Warm(double value, double floor = 0.5) {
  SpikeDetector detector({.floor = floor});
  for (int i = 0; i < 30; ++i) EXPECT_FALSE(detector.Add(value, Seconds(1)));
  return detector;
}

TEST(SpikeDetectorTest, TellsARiseAboveTheFloor) {
  SpikeDetector detector = Warm(0.2);
  EXPECT_FALSE(detector.Add(0.6, Seconds(1)));
  EXPECT_TRUE(detector.Add(1.2, Seconds(1)));
}

TEST(SpikeDetectorTest, KnowsNothingBeforeItIsWarm) {
  SpikeDetector detector({.floor = 0.5});
  EXPECT_FALSE(detector.Add(0.1, Seconds(1)));
  EXPECT_FALSE(detector.Add(9, Seconds(1)));
}

TEST(SpikeDetectorTest, TellsOneSpikeOnce) {
  SpikeDetector detector = Warm(0.2);
  EXPECT_TRUE(detector.Add(3, Seconds(1)));
  EXPECT_FALSE(detector.Add(3, Seconds(1)));
  EXPECT_FALSE(detector.Add(0.2, Seconds(1)));
  EXPECT_TRUE(detector.Add(9, Seconds(1)));
}

TEST(SpikeDetectorTest, GetsUsedToANewLevel) {
  SpikeDetector detector = Warm(0.2);
  detector.Add(3, Seconds(1));
  for (int i = 0; i < 300; ++i) detector.Add(3, Seconds(1));
  EXPECT_NEAR(detector.mean(), 3, 0.1);
  EXPECT_FALSE(detector.Add(3.1, Seconds(1)));
  EXPECT_TRUE(detector.Add(4, Seconds(1)));
}

TEST(SpikeDetectorTest, AllowsForWhatSwingsAnyway) {
  SpikeDetector detector({.floor = 0.1});
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(detector.Add(i % 2 == 0 ? 0.5 : 1.5, Seconds(1))) << i;
  EXPECT_TRUE(detector.Add(4, Seconds(1)));
}

}  // namespace
}  // namespace pilotlight::agent
