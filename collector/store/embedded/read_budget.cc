#include "collector/store/embedded/read_budget.h"

namespace pilotlight::collector {

bool ReadBudget::Check() {
  if (ended()) return false;
  const MutexLock lock(mutex_);
  if (status_.ok()) status_ = bytes_ > limits_.max_bytes ? TooManyBytes(limits_) : CheckInTime(limits_);
  if (!status_.ok()) ended_.store(true, std::memory_order_relaxed);
  return status_.ok();
}

absl::Status ReadBudget::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

}  // namespace pilotlight::collector
