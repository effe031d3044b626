// Extra captures that people ask for.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "agent/trigger/trigger.h"
#include "base/mutex.h"

namespace pilotlight::agent {

inline constexpr absl::Duration kLongestRequest = absl::Minutes(1);

// Trigger "request". Thread-safe; of several requests before a capture the longest one is taken for all.
class CaptureRequests : public Trigger {
 public:
  using Done = std::function<void(absl::StatusOr<CapturedWindow>)>;

  // At most kLongestRequest; zero, or less, takes the usual duration. See ExtraCapture::done.
  void Request(absl::Duration duration, Done done) {
    const MutexLock lock(mutex_);
    duration_ = std::max(duration_, std::min(duration, kLongestRequest));
    waiting_.push_back(std::move(done));
  }

  std::optional<ExtraCapture> Poll(absl::Duration /*now*/) override {
    const MutexLock lock(mutex_);
    if (waiting_.empty()) return std::nullopt;
    return ExtraCapture{
        .trigger = "request",
        .reason = "it was asked for",
        .duration = std::exchange(duration_, absl::ZeroDuration()),
        .requested = true,
        .done = [waiting = std::exchange(waiting_, {})](const absl::StatusOr<CapturedWindow>& window) {
          for (const Done& done : waiting) done(window);
        }};
  }

 private:
  Mutex mutex_;
  absl::Duration duration_ ABSL_GUARDED_BY(mutex_);
  std::vector<Done> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::agent
