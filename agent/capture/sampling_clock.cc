#include "agent/capture/sampling_clock.h"

#include <algorithm>
#include <cmath>

namespace pilotlight::agent {
namespace {

constexpr double kSliceSeconds = 0.25;
constexpr double kMinTicks = 8;
// Simulated with programs of periods from 2 to 200 ms: no share was further from the truth than chance
// allows.
constexpr double kSpread = 0.15;

}  // namespace

SamplingClock::SamplingClock(int frequency_hz, MonotonicTime now, absl::BitGenRef random)
    : frequency_hz_(frequency_hz),
      ticks_(std::max(kMinTicks, std::round(frequency_hz * kSliceSeconds))),
      random_(random),
      began_(now) {
  Draw();
}

void SamplingClock::Advance(MonotonicTime now) {
  const double seconds = absl::ToDoubleSeconds(now - began_);
  owed_ += seconds * frequency_hz_ - std::floor(seconds * 1e9 / static_cast<double>(period_ns_));
  // After a long delay: not all at once.
  owed_ = std::clamp(owed_, -ticks_ / 2, ticks_ / 2);
  began_ = now;
  Draw();
}

void SamplingClock::Draw() {
  const double spread = absl::Uniform(random_, -kSpread, kSpread) * ticks_;
  const double seconds = (ticks_ - owed_ + spread) / frequency_hz_;
  length_ = absl::Seconds(seconds);
  // The slice ends half-way between two ticks, so that an end that is a little late changes nothing.
  period_ns_ = static_cast<uint64_t>(seconds * 1e9 / (ticks_ + 0.5));
}

}  // namespace pilotlight::agent
