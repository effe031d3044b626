#include "collector/ingest/byte_budget.h"

#include <algorithm>
#include <chrono>

namespace pilotlight::collector {

absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

void ByteBudget::Save(absl::Time now) {
  // A clock that was put back earns nothing.
  const double seconds =
      last_ == absl::InfinitePast() ? 0 : std::max(0.0, absl::ToDoubleSeconds(now - last_));
  last_ = now;
  left_ = std::min(kSavings * bytes_per_second_, left_ + seconds * bytes_per_second_);
}

bool ByteBudget::TrySpend(size_t bytes, absl::Time now) {
  if (bytes_per_second_ == 0) return true;
  Save(now);
  if (left_ < 0) return false;
  left_ -= static_cast<double>(bytes);
  return true;
}

absl::Duration ByteBudget::Spend(size_t bytes, absl::Time now) {
  if (bytes_per_second_ == 0) return absl::ZeroDuration();
  Save(now);
  left_ -= static_cast<double>(bytes);
  return left_ >= 0 ? absl::ZeroDuration() : absl::Seconds(-left_ / bytes_per_second_);
}

}  // namespace pilotlight::collector
