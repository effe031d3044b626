// The new pauses of programs that tell all they know each time they are asked.
#pragma once

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/gc/go_memstats.h"

namespace pilotlight::agent {

// Not thread-safe.
class GcPauseHistory {
 public:
  // Those since the last call for this program; none in the first one, as they may be days old, and when it
  // has been started anew.
  GcPauses Since(const std::string& program, const GoMemStats& stats, absl::Time now);
  // Of the last hour.
  size_t size() const { return last_.size(); }

 private:
  struct Last {
    uint32_t cycles = 0;
    absl::Time time;
  };
  absl::flat_hash_map<std::string, Last> last_;
};

}  // namespace pilotlight::agent
