#include "collector/query/query_gate.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/tenant_name.h"

namespace pilotlight::collector {

absl::Status QueryGate::Enter(const ReadLimits& limits, const std::string& tenant) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(patience_);
  const MutexLock lock(mutex_);
  while (IsFull(tenant)) {
    RETURN_IF_ERROR(CheckInTime(limits));
    const absl::Duration left = absl::FromChrono(deadline - std::chrono::steady_clock::now());
    if (left <= absl::ZeroDuration()) {
      const bool is_tenants = inside_ < max_concurrent_;
      return absl::ResourceExhaustedError(absl::StrCat(
          is_tenants ? max_of_tenant_ : max_concurrent_, " questions", is_tenants ? " of this tenant" : "",
          " were under way for ", absl::FormatDuration(patience_), "; ask again later, or raise ",
          is_tenants ? "--tenants.max-queries" : "--query.max-concurrency"));
    }
    // Nobody tells when a caller goes away, so look now and then.
    left_.WaitFor(mutex_, std::min(left, absl::Milliseconds(100)));
  }
  ++inside_;
  ++inside_of_tenant_[tenant];
  return absl::OkStatus();
}

bool QueryGate::IsFull(const std::string& tenant) const {
  if (inside_ >= max_concurrent_) return true;
  const auto found = inside_of_tenant_.find(tenant);
  return found != inside_of_tenant_.end() && found->second >= max_of_tenant_ && tenant != kAnonymousTenant;
}

void QueryGate::Leave(const std::string& tenant) {
  {
    const MutexLock lock(mutex_);
    --inside_;
    const auto found = inside_of_tenant_.find(tenant);
    if (--found->second == 0) inside_of_tenant_.erase(found);
  }
  left_.NotifyAll();
}

}  // namespace pilotlight::collector
