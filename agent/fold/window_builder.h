// From what a capture source saw, addresses by process, to a window of named stacks by label set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/capture/capture_source.h"
#include "agent/symbolize/symbolizer.h"
#include "agent/targets/process_table.h"
#include "profile/profile.h"

namespace pilotlight::agent {

inline constexpr absl::string_view kNodeLabel = "node";
inline constexpr absl::string_view kTruncatedFrame = "[truncated]";
inline constexpr absl::string_view kBrokenFrame = "[broken]";
inline constexpr absl::string_view kUnknownFrame = "[unknown]";
inline constexpr absl::string_view kUnknownService = "unknown";

struct FoldedWindow {
  Window window;  // without agent, boot and sequence: those are the uplink's
  uint64_t samples = 0;
  // Processes that were gone before anything could be read of them, and their samples: their user frames are
  // "[unknown]", and so is their service, unless the kernel told their name.
  uint64_t vanished_processes = 0;
  uint64_t vanished_samples = 0;
  // Those whose stacks do not reach their outermost callers because the walk could not go on.
  uint64_t broken_samples = 0;
  // Those that relabelling drops, and their samples, which are in nothing else here.
  std::vector<pid_t> dropped_processes;
  uint64_t dropped_samples = 0;
  // Those that Go code was seen in.
  std::vector<std::shared_ptr<const Process>> go_processes;
};

// Not thread-safe. Equal label sets become one series, stacks have the outermost caller first: user frames,
// then kernel frames. A stack whose callers were cut off starts with the synthetic frame "[truncated]";
// samples that have no stack at all are that frame alone. A stack that could not be walked to its end starts
// with "[broken]".
class WindowBuilder {
 public:
  // Both are borrowed. `node` becomes a label of every series.
  WindowBuilder(ProcessTable& processes, Symbolizer& symbolizer, std::string node)
      : processes_(processes), symbolizer_(symbolizer), node_(std::move(node)) {}

  // Samples that the source lost are shared out over the series by their size, as nobody knows whose they
  // were; the sum stays exact. Without a series there is nowhere to put them.
  FoldedWindow Build(const Capture& capture, absl::string_view source, absl::Duration interval);

 private:
  ProcessTable& processes_;
  Symbolizer& symbolizer_;
  const std::string node_;
};

}  // namespace pilotlight::agent
