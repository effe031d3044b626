#include "agent/schedule/throttle.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace pilotlight::agent {
namespace {

struct Step {
  double above;  // the share of the budget that must be left
  int frequency_divisor;
  int duration_divisor;
};

constexpr std::array<Step, kMaxThrottle + 1> kSteps = {{{0.5, 1, 1}, {0.25, 2, 1}, {0.1, 2, 2}, {0, 4, 4}}};
constexpr absl::Duration kShortest = absl::Milliseconds(100);

}  // namespace

int ThrottleFor(double left) {
  int throttle = 0;
  while (throttle < kMaxThrottle && left < kSteps[throttle].above) ++throttle;
  return throttle;
}

CaptureOptions Throttled(CaptureOptions options, int throttle) {
  CHECK(throttle >= 0 && throttle <= kMaxThrottle);
  const Step& step = kSteps[throttle];
  options.frequency_hz = std::max(1, options.frequency_hz / step.frequency_divisor);
  options.off_cpu_frequency_hz = std::max(1, options.off_cpu_frequency_hz / step.frequency_divisor);
  options.duration =
      std::max(std::min(options.duration, kShortest), options.duration / step.duration_divisor);
  return options;
}

}  // namespace pilotlight::agent
