#include "agent/schedule/monotonic_timer.h"

#include <time.h>

#include "base/check.h"

namespace pilotlight::agent {

absl::Duration SystemTimer::Now() const {
  timespec now{};
  // Fails only for a clock that does not exist.
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return absl::DurationFromTimespec(now);
}

bool SystemTimer::WaitUntil(absl::Duration when, const StopSignal& stop) {
  for (absl::Duration now = Now(); now < when; now = Now()) {
    if (stop.WaitFor(when - now)) return false;
  }
  return !stop.stopped();
}

}  // namespace pilotlight::agent
