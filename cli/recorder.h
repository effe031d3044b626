// One-off capture in this process: source, names and merging, without agent or collector.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/capture/capture_source.h"
#include "agent/symbolize/symbolizer_stats.h"
#include "base/stop_signal.h"
#include "cli/watched_processes.h"
#include "profile/profile.h"

namespace pilotlight::cli {

struct RecordOptions {
  absl::Duration limit = absl::InfiniteDuration();
  int frequency_hz = 99;
  WatchScope scope = WatchScope::kProcesses;
  std::vector<pid_t> pids;  // for kTree only those that are there from the start
  // kTree: the source watches the whole node and the others are sorted out, or else it follows children.
  bool sort_out = true;
};

struct RecordHooks {
  std::function<void()> on_started;  // sampling has begun; called in another thread
  // Now and then, for a progress line.
  std::function<void(absl::Duration elapsed, uint64_t samples)> on_progress;
};

struct Recording {
  // With more than one executable, each has a frame of its own at the root of its stacks.
  Profile profile;
  size_t executables = 0;
  std::map<std::string, uint64_t> lost;  // samples by reason
  // Of processes that ended before anybody could see whether they belong to the tree.
  uint64_t unknown_samples = 0;
  // Of processes of the tree that ended before their mappings were read: without names.
  uint64_t vanished_samples = 0;
  uint64_t broken_samples = 0;  // whose stacks do not reach their outermost callers
  agent::SymbolizerStats symbols;
  absl::Status kernel_symbols;  // why kernel frames have no names
  absl::Status ended_early;     // why the source gave up after it had begun
};

// Records until the limit, `stop`, or the end of all `options.pids`, which stops `stop`. The error means
// that nothing was recorded. No thread of it is left afterwards.
absl::StatusOr<Recording> Record(agent::CaptureSource& source, const RecordOptions& options,
                                 const RecordHooks& hooks, StopSignal& stop);

// A Go program's own profile. `source` is a PprofSource with one target.
absl::StatusOr<Recording> RecordUrl(agent::CaptureSource& source, const RecordOptions& options,
                                    const RecordHooks& hooks, StopSignal& stop);

// One profile of several, by executable. Each name becomes the outermost frame, unless there is only one.
Profile JoinExecutables(std::map<std::string, Profile> profiles);

}  // namespace pilotlight::cli
