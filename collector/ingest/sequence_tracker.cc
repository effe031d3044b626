#include "collector/ingest/sequence_tracker.h"

namespace pilotlight::collector {

uint64_t SequenceTracker::Observe(absl::string_view agent, absl::string_view boot, uint64_t sequence) {
  const MutexLock lock(mutex_);
  const auto found = by_name_.find(agent);
  if (found == by_name_.end()) {
    if (agents_.size() >= max_agents_) {
      by_name_.erase(agents_.back().name);
      agents_.pop_back();
    }
    agents_.push_front({std::string(agent), std::string(boot), sequence});
    by_name_.emplace(agents_.front().name, agents_.begin());
    return 0;
  }
  Agent& known = *found->second;
  agents_.splice(agents_.begin(), agents_, found->second);
  if (known.boot != boot) {
    known.boot = std::string(boot);
    known.highest = sequence;
    // A boot starts with 1, so the ones before this are lost. Not so for an agent that was not known at all:
    // the collector may have been restarted.
    return sequence - 1;
  }
  if (sequence <= known.highest) return 0;
  const uint64_t missing = sequence - known.highest - 1;
  known.highest = sequence;
  return missing;
}

}  // namespace pilotlight::collector
