// Who runs on the node.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace pilotlight::agent {

// All processes, threads of the kernel too, in no order.
std::vector<pid_t> ListProcesses(const std::string& proc_root = "/proc");

}  // namespace pilotlight::agent
