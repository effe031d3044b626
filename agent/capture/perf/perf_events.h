// Opens the events of one window of the perf source.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/capture/perf/perf_ring.h"
#include "base/unique_fd.h"

namespace pilotlight::agent {

struct PerfEventOptions {
  uint64_t period_ns = 10'101'010;
  bool kernel_frames = true;
  bool user_mode_only = false;  // what is allowed without rights, for one's own processes
  uint32_t max_frames = 127;
};

// Events with one ring per CPU. Closing them ends the sampling.
class PerfEvents {
 public:
  // Of every process, on every online CPU. PermissionDenied without CAP_PERFMON.
  static absl::StatusOr<PerfEvents> OpenForNode(const PerfEventOptions& options);
  // Of the threads that these processes have, and of those that they start (their child processes too).
  // NotFound when none of the processes is there.
  static absl::StatusOr<PerfEvents> OpenForProcesses(const PerfEventOptions& options,
                                                     const std::vector<pid_t>& pids,
                                                     const std::string& proc_root = "/proc");

  absl::Status Enable() const;
  void Disable() const;
  // For events of the node; see SetPeriod() in perf_event.h.
  absl::Status SetPeriods(uint64_t period_ns) const;

  // One per CPU; readable when its ring is half full.
  const std::vector<int>& ring_fds() const { return ring_fds_; }
  std::vector<PerfRing>& rings() { return rings_; }

 private:
  absl::Status AddRing(UniqueFd event);

  std::vector<UniqueFd> events_;
  std::vector<int> ring_fds_;  // borrowed from events_
  std::vector<PerfRing> rings_;
};

}  // namespace pilotlight::agent
