// Cheaper captures while the budget runs low, so that they need not stop.
#pragma once

#include "agent/capture/capture_source.h"

namespace pilotlight::agent {

// From the full rate and length, 0, to a quarter of both.
inline constexpr int kMaxThrottle = 3;

// `left`: OverheadBudget::left(). Full down to half of the budget. An agent that costs more than it may so
// settles at the step where it costs what it may.
int ThrottleFor(double left);

// The rate and the length at a step of 0 to kMaxThrottle: first the rate is halved, then the length, then
// both. At least 1 Hz and 100 ms.
CaptureOptions Throttled(CaptureOptions options, int throttle);

}  // namespace pilotlight::agent
