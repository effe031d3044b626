// What asks for an extra capture between two turns of the duty cycle.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace pilotlight::agent {

// Label of the profiles of an extra capture; its value says what asked for it.
inline constexpr char kTriggerLabel[] = "trigger";

struct CapturedWindow {
  absl::Time start;
  absl::Duration duration;
  uint64_t samples = 0;
};

struct ExtraCapture {
  std::string trigger;      // "cpu", "run_queue", "mcall", "gc_pause", "request"
  std::string reason;       // for people
  absl::Duration duration;  // zero: as long as any other
  bool requested = false;   // by a person, who should not have to wait
  // Called once in the thread that captures, when the window is in the spool or will not come.
  std::function<void(absl::StatusOr<CapturedWindow>)> done = [](const absl::StatusOr<CapturedWindow>&) {};
};

class Trigger {
 public:
  virtual ~Trigger() = default;
  // Asked twice a second while no capture runs, in the thread that captures. `now` on the monotonic clock.
  virtual std::optional<ExtraCapture> Poll(absl::Duration now) = 0;
};

}  // namespace pilotlight::agent
