#include "agent/trigger/spike_detector.h"

#include <algorithm>
#include <cmath>

namespace pilotlight::agent {

bool SpikeDetector::Add(double value, absl::Duration span) {
  const bool warm = seen_ >= options_.warm_up;
  const bool above = value > mean_ + std::max(options_.floor, options_.deviations * deviation_);
  const bool starts = warm && above && !in_spike_;
  in_spike_ = warm && above;
  if (seen_ == absl::ZeroDuration()) mean_ = value;
  // While there is less than `memory` to go by, all of it counts alike.
  seen_ += span;
  const double weight = 1 - std::exp(-absl::FDivDuration(span, std::min(seen_, options_.memory)));
  deviation_ += weight * (std::abs(value - mean_) - deviation_);
  mean_ += weight * (value - mean_);
  return starts;
}

}  // namespace pilotlight::agent
