// How busy the node is, from /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pilotlight::agent {

struct NodeLoad {
  absl::Duration busy;   // CPU time of all CPUs since boot, without what the hypervisor took
  uint64_t running = 0;  // threads that run or want to, now
  std::optional<absl::Duration> waited =
      {};  // of all threads for a CPU, since boot; when the kernel counts it
};

// /proc/stat (Documentation/filesystems/proc.rst), without `waited`. InvalidArgument when it is not.
absl::StatusOr<NodeLoad> ParseStat(absl::string_view text, int64_t ticks_per_second);
// The sum over the CPUs of /proc/schedstat (Documentation/scheduler/sched-stats.rst), which is there with
// CONFIG_SCHEDSTATS.
absl::StatusOr<absl::Duration> ParseSchedstat(absl::string_view text);

absl::StatusOr<NodeLoad> ReadNodeLoad(const std::string& proc_root = "/proc");

}  // namespace pilotlight::agent
