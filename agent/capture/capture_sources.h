// Chooses how the agent samples.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/capture/capture_source.h"

namespace pilotlight::agent {

// What will be asked of the source: without rights, one's own processes can still be sampled.
enum class CaptureScope { kNode, kProcesses };

struct CaptureSourceChoice {
  std::unique_ptr<CaptureSource> source;
  // Why better sources do not work here, one line for the log; empty when the best one does.
  std::string passed_over;
};

// `name` is "ebpf", "perf", or "auto" for the first of them that works. InvalidArgument for another name;
// otherwise the error says what is missing, for "auto" of each source. With `off_cpu` the source has
// off_cpu() too, where that works; the log says why not.
absl::StatusOr<CaptureSourceChoice> CreateCaptureSource(absl::string_view name,
                                                        CaptureScope scope = CaptureScope::kNode,
                                                        bool off_cpu = false);

}  // namespace pilotlight::agent
