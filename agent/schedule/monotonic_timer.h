// The clock that the schedule goes by: nobody sets it, so a jump of the wall clock moves no window.
#pragma once

#include "absl/time/time.h"
#include "base/stop_signal.h"

namespace pilotlight::agent {

class MonotonicTimer {
 public:
  virtual ~MonotonicTimer() = default;
  // Since some fixed moment.
  virtual absl::Duration Now() const = 0;
  // Until Now() is at least `when`. False when `stop` came first.
  virtual bool WaitUntil(absl::Duration when, const StopSignal& stop) = 0;
};

// CLOCK_MONOTONIC: stands still while the machine sleeps, as the programs do that are watched.
class SystemTimer : public MonotonicTimer {
 public:
  absl::Duration Now() const override;
  bool WaitUntil(absl::Duration when, const StopSignal& stop) override;
};

}  // namespace pilotlight::agent
