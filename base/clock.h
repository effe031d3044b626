// The wall clock, passed in so that tests can set it.
#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace pilotlight {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

// Starts where it is told and moves only by Advance(), also backwards. Not thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(absl::Time now) : now_(now) {}
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration by) { now_ += by; }

 private:
  absl::Time now_;
};

}  // namespace pilotlight
