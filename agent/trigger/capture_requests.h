// Extra captures that people ask for.
#pragma once

#include <algorithm>
#include <optional>

#include "absl/time/time.h"
#include "agent/trigger/trigger.h"
#include "base/mutex.h"

namespace pilotlight::agent {

inline constexpr absl::Duration kLongestRequest = absl::Minutes(1);

// Trigger "request". Thread-safe; of several requests before a capture the longest one is taken for all.
class CaptureRequests : public Trigger {
 public:
  // At most kLongestRequest; zero, or less, takes the usual duration.
  void Request(absl::Duration duration) {
    const MutexLock lock(mutex_);
    duration_ = std::max(duration_.value_or(absl::ZeroDuration()), std::min(duration, kLongestRequest));
  }

  std::optional<ExtraCapture> Poll(absl::Duration /*now*/) override {
    const MutexLock lock(mutex_);
    if (!duration_.has_value()) return std::nullopt;
    const ExtraCapture extra = {
        .trigger = "request", .reason = "it was asked for", .duration = *duration_, .requested = true};
    duration_.reset();
    return extra;
  }

 private:
  Mutex mutex_;
  std::optional<absl::Duration> duration_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::agent
