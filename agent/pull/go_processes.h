// The Go programs of the node, where no samples tell of them.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/symbolize/file_identity.h"
#include "agent/targets/process_table.h"

namespace pilotlight::agent {

// Not thread-safe.
class GoProcesses {
 public:
  // `processes` is borrowed; those that are found are put into it.
  explicit GoProcesses(ProcessTable& processes, std::string proc_root = "/proc")
      : processes_(processes), proc_root_(std::move(proc_root)) {}

  // All that run now and are to be profiled. Looks into each executable once.
  std::vector<std::shared_ptr<const Process>> Find();

 private:
  bool IsGo(pid_t pid);

  ProcessTable& processes_;
  const std::string proc_root_;
  absl::flat_hash_map<FileIdentity, bool> is_go_;  // by executable
};

}  // namespace pilotlight::agent
