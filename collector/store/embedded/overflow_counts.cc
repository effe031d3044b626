#include "collector/store/embedded/overflow_counts.h"

namespace pilotlight::collector {

void OverflowCounts::Add(const std::string& service, ServiceLimit limit, uint64_t samples) {
  const MutexLock lock(mutex_);
  std::pair<std::string, ServiceLimit> key(service, limit);
  // Each service may have both limits.
  if (samples_.size() >= 2 * kMaxServices && !samples_.contains(key)) key.first = std::string(kOtherServices);
  samples_[key] += samples;
}

std::vector<Overflow> OverflowCounts::All() const {
  const MutexLock lock(mutex_);
  std::vector<Overflow> all;
  for (const auto& [key, samples] : samples_) all.push_back({key.first, key.second, samples});
  return all;
}

}  // namespace pilotlight::collector
