// Keeps a log readable when the same thing goes wrong again and again.
#pragma once

#include <chrono>
#include <optional>

namespace pilotlight::agent {

// Not thread-safe.
class LogLimit {
 public:
  // True at most once a minute, on the monotonic clock.
  bool Allow() {
    const auto now = std::chrono::steady_clock::now();
    if (last_.has_value() && now - *last_ < std::chrono::minutes(1)) return false;
    last_ = now;
    return true;
  }

 private:
  std::optional<std::chrono::steady_clock::time_point> last_;
};

}  // namespace pilotlight::agent
