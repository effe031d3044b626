// The whole node as `pilotlight doctor` shows it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/inspect/node_report.h"
#include "agent/inspect/process_report.h"

namespace pilotlight::agent {

// The processes of one executable.
struct ProgramReport {
  ProcessReport process;  // the one that has used the most CPU time
  size_t processes = 1;
  absl::Duration cpu_time;  // of all
};

struct Inspection {
  NodeReport node;
  std::vector<ProgramReport> programs;  // the most CPU time first
};

// By executable, the most CPU time first.
std::vector<ProgramReport> GroupByExecutable(std::vector<ProcessReport> processes);

// Processes that are gone meanwhile are left out. Reads the main binary of each executable.
Inspection InspectAll(ProcessLabeller* labeller = nullptr);
// NotFound when one of them is gone.
absl::StatusOr<Inspection> InspectThese(const std::vector<pid_t>& pids, ProcessLabeller* labeller = nullptr);

}  // namespace pilotlight::agent
