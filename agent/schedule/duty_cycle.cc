#include "agent/schedule/duty_cycle.h"

#include <algorithm>

#include "base/check.h"

namespace pilotlight::agent {

DutyCycle::DutyCycle(absl::Duration interval, size_t sources, absl::Duration now, absl::Duration phase)
    : interval_(interval) {
  CHECK(sources > 0);
  CHECK(phase >= absl::ZeroDuration() && phase < interval);
  for (size_t i = 0; i < sources; ++i) {
    next_.push_back(now + phase + interval * static_cast<int64_t>(i) / static_cast<int64_t>(sources));
  }
}

Turn DutyCycle::Next() const {
  const auto earliest = std::ranges::min_element(next_);
  return {static_cast<size_t>(earliest - next_.begin()), *earliest};
}

void DutyCycle::Finish(absl::Duration now) {
  const Turn turn = Next();
  next_[turn.source] = std::max(turn.start + interval_, now);
}

}  // namespace pilotlight::agent
