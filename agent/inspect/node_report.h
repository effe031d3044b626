// What this process may do on this node: which capture sources would work, and which rights are missing.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace pilotlight::agent {

struct SourceReport {
  std::string name;  // "ebpf", "perf"
  absl::Status status;
};

struct RightReport {
  std::string capability;
  bool present = false;
  std::string purpose;  // what does not work without it
};

struct NodeReport {
  std::string kernel;                 // "Linux 6.1.0 x86_64"
  std::vector<SourceReport> sources;  // the best first
  std::vector<RightReport> rights;
  absl::Status kernel_symbols;  // why functions of the kernel have no names
};

// Loads the BPF program and opens perf events to see, and leaves nothing behind.
NodeReport InspectNode();

}  // namespace pilotlight::agent
