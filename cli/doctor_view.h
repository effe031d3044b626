// How `pilotlight doctor` looks.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agent/inspect/node_report.h"
#include "agent/inspect/process_report.h"

namespace pilotlight::cli {

// The processes of one executable.
struct ProgramReport {
  agent::ProcessReport process;  // the one that has used the most CPU time
  size_t processes = 1;
  absl::Duration cpu_time;  // of all
};

// By executable, the most CPU time first.
std::vector<ProgramReport> GroupByExecutable(std::vector<agent::ProcessReport> processes);

// For people: what works on the node, then the programs, each with what to do. `width` 0: no limit.
std::string DoctorText(const agent::NodeReport& node, const std::vector<ProgramReport>& programs,
                       size_t limit, size_t width, bool colour);

// {"kernel", "sources": [{"name", "works", "reason"}], "rights": [{"capability", "present", "purpose"}],
//  "kernel_symbols": true or the reason why not,
//  "programs": [{"service", "executable", "pid", "processes", "cpu_seconds", "runtime",
//                "names": "all" | "exported" | "none" | "unreadable", "stripped",
//                "frame_pointers": "all" | "some" | "none" | "unknown", "advice": […]}]}
std::string DoctorJson(const agent::NodeReport& node, const std::vector<ProgramReport>& programs);

}  // namespace pilotlight::cli
