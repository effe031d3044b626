// Tells when a quantity leaves the range it was in.
#pragma once

#include "absl/time/time.h"

namespace pilotlight::agent {

// Keeps an exponentially weighted mean and mean deviation of what it is shown. Not thread-safe.
class SpikeDetector {
 public:
  struct Options {
    double floor = 0;       // a rise above the mean by less is none, however steady it was
    double deviations = 4;  // nor is one by less than so many mean deviations
    absl::Duration memory = absl::Minutes(1);
    absl::Duration warm_up = absl::Seconds(10);  // nothing is a spike before
  };

  explicit SpikeDetector(const Options& options) : options_(options) {}

  // `value` was the mean over the last `span`. True at the start of a spike: not again before it was back in
  // its range, or the range has come to it.
  bool Add(double value, absl::Duration span);
  double mean() const { return mean_; }

 private:
  const Options options_;
  absl::Duration seen_;
  double mean_ = 0;
  double deviation_ = 0;
  bool in_spike_ = false;
};

}  // namespace pilotlight::agent
