#include "agent/targets/process_list.h"

#include "absl/strings/numbers.h"
#include "base/directory.h"

namespace pilotlight::agent {

std::vector<pid_t> ListProcesses(const std::string& proc_root) {
  std::vector<pid_t> pids;
  for (const std::string& name : ListDirectory(proc_root)) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(name, &pid)) pids.push_back(pid);
  }
  return pids;
}

}  // namespace pilotlight::agent
