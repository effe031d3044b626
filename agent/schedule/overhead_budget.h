// What the agent itself costs, and what it may cost.
#pragma once

#include "absl/time/time.h"

namespace pilotlight::agent {

// A bucket of CPU time that fills at `max_cores` and holds ten minutes' worth, so that a new binary's
// symbols may be read at once, while the mean stays below. Not thread-safe.
class OverheadBudget {
 public:
  // `max_cores`: mean CPU use allowed, 0.01 is 1 % of one core; 0 means no limit. `now` on the monotonic
  // clock; `cpu_time` is what the process has used so far, which is booked too.
  OverheadBudget(double max_cores, absl::Duration now, absl::Duration cpu_time);

  // Books what was used since the last call; `kernel_time` is spent on the agent's behalf, but not booked to
  // its process. Returns the mean use of this span, in cores.
  double Settle(absl::Duration now, absl::Duration cpu_time, absl::Duration kernel_time);

  // More was used than allowed: wait.
  bool exhausted() const { return limited_ && balance_ < absl::ZeroDuration(); }
  // The share of the bucket that is left, at most 1; negative when exhausted. 1 without a limit.
  double left() const { return limited_ ? absl::FDivDuration(balance_, capacity_) : 1; }

 private:
  const bool limited_;
  const double max_cores_;
  const absl::Duration capacity_;
  absl::Duration balance_;
  absl::Duration last_now_;
  absl::Duration last_cpu_time_;
};

// CPU time of this process since its start, all threads.
absl::Duration ProcessCpuTime();

}  // namespace pilotlight::agent
