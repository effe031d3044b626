// From a window to numbers: what the metrics say of each label set.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "agent/insight/go_classes.h"
#include "profile/profile.h"

namespace pilotlight::agent {

// A share of samples, and the lower bound of its 95 % interval: what an alert can rely on.
struct Ratio {
  double value = 0;
  double lower = 0;
};
// {0, 0} when `total` is 0. REQUIRES: hits ≤ total.
Ratio RatioOf(uint64_t hits, uint64_t total);

struct SeriesInsight {
  uint64_t samples = 0;
  double cpu_seconds = 0;  // seen while watching, not scaled to the interval
  double cpu_cores = 0;    // mean while watching

  // Samples whose stack has a Go frame; by class, and all.
  std::array<uint64_t, kGoClasses> go_class_samples = {};
  std::array<double, kGoClasses> go_class_seconds = {};
  uint64_t go_samples = 0;
  // With runtime.mcall in the stack, and so of the class kMcall or kGc: those that show who called it, and
  // all.
  uint64_t mcall_joined_samples = 0;
  uint64_t mcall_samples = 0;

  uint64_t frames = 0;
  uint64_t symbolized_frames = 0;
  uint64_t complete_stacks = 0;  // samples; the others' outermost callers were cut off

  uint64_t of_class(GoClass go_class) const { return go_class_samples[static_cast<size_t>(go_class)]; }
  Ratio go_ratio(GoClass go_class) const { return RatioOf(of_class(go_class), go_samples); }

  // For label sets that share a metric.
  SeriesInsight& operator+=(const SeriesInsight& other);
};

// One per series of `window`, in its order. Series that are not of CPU time are all zero.
std::vector<SeriesInsight> DeriveInsight(const Window& window);

}  // namespace pilotlight::agent
