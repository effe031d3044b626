#include "agent/capture/sampling_clock.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace pilotlight::agent {
namespace {

// Ticks of an event whose period is set as the clock says; each slice ends `late`.
double CountTicks(SamplingClock& clock, MonotonicTime& now, absl::Duration late, int slices) {
  double ticks = 0;
  for (int i = 0; i < slices; ++i) {
    const absl::Duration slice = clock.Left(now) + late;
    ticks += std::floor(absl::ToDoubleNanoseconds(slice) / static_cast<double>(clock.period_ns()));
    now = now + slice;
    clock.Advance(now);
  }
  return ticks;
}

TEST(SamplingClockTest, HasTheFrequencyOnTheAverage) {
  for (const int frequency_hz : {1, 19, 99, 1000}) {
    for (const absl::Duration late : {absl::ZeroDuration(), absl::Microseconds(300), absl::Milliseconds(7)}) {
      std::mt19937 random(1);
      MonotonicTime now = MonotonicTime::Now();
      const MonotonicTime began = now;
      SamplingClock clock(frequency_hz, now, random);
      const double ticks = CountTicks(clock, now, late, 400);
      EXPECT_NEAR(ticks / absl::ToDoubleSeconds(now - began) / frequency_hz, 1, 0.002)
          << frequency_hz << " Hz, late by " << late;
    }
  }
}

TEST(SamplingClockTest, IsNearTheFrequencyAfterAFewSlices) {
  std::mt19937 random(1);
  MonotonicTime now = MonotonicTime::Now();
  const MonotonicTime began = now;
  SamplingClock clock(99, now, random);
  const double ticks = CountTicks(clock, now, absl::ZeroDuration(), 4);
  EXPECT_NEAR(ticks / absl::ToDoubleSeconds(now - began), 99, 99 * 0.04);
}

TEST(SamplingClockTest, HasAnotherPeriodInEachSlice) {
  std::mt19937 random(1);
  MonotonicTime now = MonotonicTime::Now();
  SamplingClock clock(99, now, random);
  uint64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    EXPECT_NE(clock.period_ns(), last);
    EXPECT_GT(clock.period_ns(), uint64_t{6'000'000});
    EXPECT_LT(clock.period_ns(), uint64_t{15'000'000});
    last = clock.period_ns();
    now = now + clock.Left(now);
    clock.Advance(now);
  }
}

TEST(SamplingClockTest, DoesNotKeepStepWithAPeriodicProgram) {
  // Half of the program's period is spent in one function. Sampled at 99 Hz exactly, either all or nothing of
  // it would be seen.
  constexpr double kProgramPeriodNs = 1e9 / 99;
  std::mt19937 random(1);
  const MonotonicTime began = MonotonicTime::Now();
  MonotonicTime now = began;
  SamplingClock clock(99, now, random);
  double hits = 0;
  double ticks = 0;
  for (int slice = 0; slice < 40; ++slice) {
    const absl::Duration length = clock.Left(now);
    const auto period = absl::Nanoseconds(clock.period_ns());
    for (absl::Duration tick = period; tick <= length; tick += period) {
      const double at = absl::ToDoubleNanoseconds(now - began + tick);
      hits += std::fmod(at, kProgramPeriodNs) < kProgramPeriodNs / 2 ? 1 : 0;
      ++ticks;
    }
    now = now + length;
    clock.Advance(now);
  }
  EXPECT_NEAR(hits / ticks, 0.5, 0.06);
}

TEST(SamplingClockTest, SurvivesALongDelay) {
  std::mt19937 random(1);
  MonotonicTime now = MonotonicTime::Now();
  SamplingClock clock(99, now, random);
  now = now + absl::Hours(1);
  clock.Advance(now);
  EXPECT_GT(clock.period_ns(), uint64_t{2'000'000});
  EXPECT_LT(clock.period_ns(), uint64_t{30'000'000});
  EXPECT_GT(clock.Left(now), absl::ZeroDuration());
}

}  // namespace
}  // namespace pilotlight::agent
