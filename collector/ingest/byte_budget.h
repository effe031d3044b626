// How fast one stream may go on.
#pragma once

#include <cstddef>

#include "absl/time/time.h"

namespace pilotlight::collector {

// The time for budgets: nobody sets its clock. Its epoch means nothing.
absl::Time SteadyNow();

// What is not used is saved up, for a minute at most: agents send once in a minute, or catch up. Not
// thread-safe.
class ByteBudget {
 public:
  // `bytes_per_second` 0 is no limit.
  explicit ByteBudget(size_t bytes_per_second)
      : bytes_per_second_(static_cast<double>(bytes_per_second)), left_(kSavings * bytes_per_second_) {}

  // Takes `bytes` unless what came before has overdrawn it.
  bool TrySpend(size_t bytes, absl::Time now);
  // Takes `bytes` that have come, and tells how long to wait before more is read.
  absl::Duration Spend(size_t bytes, absl::Time now);

 private:
  void Save(absl::Time now);

  static constexpr double kSavings = 60;  // seconds

  const double bytes_per_second_;
  double left_;  // negative when it was overdrawn
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace pilotlight::collector
