// Varies the sampling period, so that no periodic program keeps in step with the samples.
//
// A fixed period meets a program whose own period is a simple fraction or a multiple of it always at the same
// few places: its flame graph would be wrong, and no number of samples would mend it. So each slice of a
// window, about 250 ms, has a period of its own, drawn at random; on the average the frequency is exact, what
// one slice gives too much the next ones give less.
#pragma once

#include <cstdint>

#include "absl/random/bit_gen_ref.h"
#include "absl/random/random.h"
#include "absl/time/time.h"
#include "agent/capture/monotonic_time.h"

namespace pilotlight::agent {

class SamplingClock {
 public:
  // The first slice begins at `now`. REQUIRES: frequency_hz > 0.
  SamplingClock(int frequency_hz, MonotonicTime now, absl::BitGenRef random);

  // Of the slice at hand, in ns.
  uint64_t period_ns() const { return period_ns_; }
  // How long it lasts yet; not positive when Advance() is due.
  absl::Duration Left(MonotonicTime now) const { return length_ - (now - began_); }
  // Ends the slice, however late, and begins the next one with another period. The ticks of an event start
  // anew when its period is set.
  void Advance(MonotonicTime now);

 private:
  void Draw();

  const double frequency_hz_;
  const double ticks_;  // of a slice
  absl::BitGenRef random_;
  MonotonicTime began_;
  double owed_ = 0;  // ticks that were due and not given so far
  absl::Duration length_;
  uint64_t period_ns_ = 0;
};

}  // namespace pilotlight::agent
