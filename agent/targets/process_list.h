// Who runs on the node.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "agent/targets/process_table.h"

namespace pilotlight::agent {

// All processes, threads of the kernel too, in no order.
std::vector<pid_t> ListProcesses(const std::string& proc_root = "/proc");

// Calls `visit` with each of these that is still there and no thread of the kernel, as it is now. None is
// kept: those that never run need no memory.
void VisitProcesses(const std::vector<pid_t>& pids, absl::FunctionRef<void(const Process&)> visit,
                    const std::string& proc_root = "/proc");

}  // namespace pilotlight::agent
