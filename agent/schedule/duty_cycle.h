// Whose turn it is to capture, and when.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/time/time.h"

namespace pilotlight::agent {

struct Turn {
  size_t source = 0;
  absl::Duration start;  // on the timer's clock
};

// One turn per source in each interval, spread evenly over it, the first one `phase` after `now`. Turns keep
// their distance: only a turn that the one before has run over is late, and moves the later ones along; so
// nothing is caught up on in a burst. Not thread-safe.
class DutyCycle {
 public:
  // REQUIRES: 0 ≤ phase < interval; sources ≥ 1.
  DutyCycle(absl::Duration interval, size_t sources, absl::Duration now, absl::Duration phase);

  // The earliest turn; it may lie in the past. The same until Finish().
  Turn Next() const;
  // The turn of Next() is over.
  void Finish(absl::Duration now);

 private:
  const absl::Duration interval_;
  std::vector<absl::Duration> next_;  // by source
};

}  // namespace pilotlight::agent
