#include "agent/targets/process_list.h"

#include <memory>

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

void VisitProcesses(const std::vector<pid_t>& pids, absl::FunctionRef<void(const Process&)> visit,
                    const std::string& proc_root) {
  for (const pid_t pid : pids) {
    ProcessTable alone(proc_root);
    alone.OnProcess(pid);
    const std::shared_ptr<const Process> process = alone.Find(pid);
    if (process != nullptr && !process->kernel_thread) visit(*process);
  }
}

}  // namespace pilotlight::agent
