#include "collector/query/query_gate.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace pilotlight::collector {

absl::Status QueryGate::Enter(const ReadLimits& limits) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(patience_);
  const MutexLock lock(mutex_);
  while (inside_ >= max_concurrent_) {
    RETURN_IF_ERROR(CheckInTime(limits));
    const absl::Duration left = absl::FromChrono(deadline - std::chrono::steady_clock::now());
    if (left <= absl::ZeroDuration()) {
      return absl::ResourceExhaustedError(
          absl::StrCat(max_concurrent_, " questions were under way for ", absl::FormatDuration(patience_),
                       "; ask again later, or raise --query.max-concurrency"));
    }
    // Nobody tells when a caller goes away, so look now and then.
    left_.WaitFor(mutex_, std::min(left, absl::Milliseconds(100)));
  }
  ++inside_;
  return absl::OkStatus();
}

void QueryGate::Leave() {
  {
    const MutexLock lock(mutex_);
    --inside_;
  }
  left_.NotifyOne();
}

}  // namespace pilotlight::collector
