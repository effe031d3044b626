// What asks for an extra capture between two turns of the duty cycle.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace pilotlight::agent {

// Label of the profiles of an extra capture; its value says what asked for it.
inline constexpr char kTriggerLabel[] = "trigger";

struct ExtraCapture {
  std::string trigger;      // "cpu", "run_queue", "mcall", "gc_pause", "request"
  std::string reason;       // for people
  absl::Duration duration;  // zero: as long as any other
  bool requested = false;   // by a person, who should not have to wait
};

class Trigger {
 public:
  virtual ~Trigger() = default;
  // Asked twice a second while no capture runs, in the thread that captures. `now` on the monotonic clock.
  virtual std::optional<ExtraCapture> Poll(absl::Duration now) = 0;
};

}  // namespace pilotlight::agent
