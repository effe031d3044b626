// When the answering of a question is to end before it is done.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace pilotlight::collector {

// True once nobody waits for the answer any more. Any thread may ask, but one at a time.
using IsAbandoned = std::function<bool()>;

// None by default. The clock must outlive it.
struct ReadLimits {
  IsAbandoned is_abandoned;
  const Clock* clock = nullptr;
  absl::Time asked;
  absl::Duration timeout = absl::InfiniteDuration();  // since `asked`, by `clock`
  uint64_t max_bytes = UINT64_MAX;                    // of records and names read
};

// Cancelled when it was abandoned, DeadlineExceeded when it is too late.
absl::Status CheckInTime(const ReadLimits& limits);
// ResourceExhausted, for a question that has read more than it may.
absl::Status TooManyBytes(const ReadLimits& limits);

}  // namespace pilotlight::collector
