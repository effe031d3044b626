// Asks for an extra capture when the node's CPU use, or the wait for a CPU, jumps up.
#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/trigger/node_load.h"
#include "agent/trigger/spike_detector.h"
#include "agent/trigger/trigger.h"

namespace pilotlight::agent {

// Triggers "cpu" and "run_queue". Looks at the mean over a second, so that it tells of a spike within 1.5 s;
// costs one read of /proc/stat, and of /proc/schedstat if there is one. Not thread-safe.
class NodeWatch : public Trigger {
 public:
  using ReadLoad = std::function<absl::StatusOr<NodeLoad>()>;
  explicit NodeWatch(
      int cpus, ReadLoad read_load = [] { return ReadNodeLoad(); });

  std::optional<ExtraCapture> Poll(absl::Duration now) override;
  // More than three threads wait for each CPU: no time for more work than must be.
  bool overloaded() const;

 private:
  struct Reading {
    absl::Duration time;
    NodeLoad load;
  };

  // Threads that waited for a CPU, in the mean since `from`.
  double Waiting(const Reading& from, const Reading& to) const;

  const int cpus_;
  const ReadLoad read_load_;
  std::deque<Reading> readings_;  // of the last second
  SpikeDetector busy_;
  SpikeDetector waiting_;
  double waiting_now_ = 0;
};

}  // namespace pilotlight::agent
