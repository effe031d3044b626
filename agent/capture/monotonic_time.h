// Time that no clock jump touches, for how long a window really was.
#pragma once

#include <chrono>

#include "absl/time/time.h"

namespace pilotlight::agent {

class MonotonicTime {
 public:
  static MonotonicTime Now() { return MonotonicTime(std::chrono::steady_clock::now()); }

  MonotonicTime operator+(absl::Duration by) const {
    return MonotonicTime(at_ + absl::ToChronoNanoseconds(by));
  }
  absl::Duration operator-(const MonotonicTime& from) const { return absl::FromChrono(at_ - from.at_); }

 private:
  explicit MonotonicTime(std::chrono::steady_clock::time_point at) : at_(at) {}
  std::chrono::steady_clock::time_point at_;
};

}  // namespace pilotlight::agent
