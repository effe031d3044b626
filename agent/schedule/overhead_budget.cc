#include "agent/schedule/overhead_budget.h"

#include <time.h>

#include <algorithm>

#include "base/check.h"

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kBurst = absl::Minutes(10);

}  // namespace

OverheadBudget::OverheadBudget(double max_cores, absl::Duration now, absl::Duration cpu_time)
    : limited_(max_cores > 0),
      max_cores_(max_cores),
      capacity_(kBurst * max_cores),
      balance_(capacity_ - cpu_time),
      last_now_(now),
      last_cpu_time_(cpu_time) {}

double OverheadBudget::Settle(absl::Duration now, absl::Duration cpu_time, absl::Duration kernel_time) {
  const absl::Duration elapsed = now - last_now_;
  const absl::Duration used = cpu_time - last_cpu_time_ + kernel_time;
  last_now_ = now;
  last_cpu_time_ = cpu_time;
  balance_ = std::min(capacity_, balance_ + elapsed * max_cores_ - used);
  return elapsed > absl::ZeroDuration() ? absl::FDivDuration(used, elapsed) : 0;
}

absl::Duration ProcessCpuTime() {
  timespec used{};
  // Fails only for a clock that does not exist.
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
  return absl::DurationFromTimespec(used);
}

}  // namespace pilotlight::agent
