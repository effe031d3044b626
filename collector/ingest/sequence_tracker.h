// Counts windows that an agent took but the collector never saw: gaps in the sequence of one boot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace pilotlight::collector {

// Thread-safe. Remembers the `max_agents` agents seen last; a forgotten one's next gap is not counted, as
// after a restart of the collector.
class SequenceTracker {
 public:
  explicit SequenceTracker(size_t max_agents = 100'000) : max_agents_(max_agents) {}

  // Takes note of a window and returns how many are missing right before it. 0 for an agent that is not known
  // yet and for a window that was sent again.
  uint64_t Observe(absl::string_view agent, absl::string_view boot, uint64_t sequence);

 private:
  struct Agent {
    std::string name;
    std::string boot;
    uint64_t highest = 0;
  };
  const size_t max_agents_;
  Mutex mutex_;
  std::list<Agent> agents_ ABSL_GUARDED_BY(mutex_);  // the one seen last is the first
  // Keys are views of the names in `agents_`, whose elements never move.
  absl::flat_hash_map<absl::string_view, std::list<Agent>::iterator> by_name_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::collector
