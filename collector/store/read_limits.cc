#include "collector/store/read_limits.h"

#include "absl/strings/str_cat.h"

namespace pilotlight::collector {

absl::Status CheckInTime(const ReadLimits& limits) {
  if (limits.is_abandoned && limits.is_abandoned()) {
    return absl::CancelledError("nobody waits for the answer any more");
  }
  if (limits.clock != nullptr && limits.clock->Now() - limits.asked >= limits.timeout) {
    return absl::DeadlineExceededError(
        absl::StrCat("the question was not answered within ", absl::FormatDuration(limits.timeout),
                     "; ask for a shorter span or fewer services, or raise --query.timeout"));
  }
  return absl::OkStatus();
}

absl::Status TooManyBytes(const ReadLimits& limits) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "the question needs more than ", limits.max_bytes,
      " bytes of profiles; ask for a shorter span or fewer services, or raise --query.max-bytes"));
}

}  // namespace pilotlight::collector
