// Keeps a log readable when agents fail again and again.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace pilotlight::collector {

// Thread-safe. Lets `per_minute` lines through in each minute; the metrics count the rest.
class LogLimit {
 public:
  explicit LogLimit(size_t per_minute) : per_minute_(per_minute) {}

  // How many lines were held back since the last that was let through; nothing when this one is held back,
  // too.
  std::optional<size_t> Allow() {
    const auto now = std::chrono::steady_clock::now();
    const MutexLock lock(mutex_);
    if (now - minute_start_ >= std::chrono::minutes(1)) {
      minute_start_ = now;
      in_this_minute_ = 0;
    }
    if (++in_this_minute_ > per_minute_) {
      ++held_back_;
      return std::nullopt;
    }
    return std::exchange(held_back_, 0);
  }

 private:
  const size_t per_minute_;
  Mutex mutex_;
  std::chrono::steady_clock::time_point minute_start_ ABSL_GUARDED_BY(mutex_) = {};
  size_t in_this_minute_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t held_back_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pilotlight::collector
