#include "agent/inspect/inspection.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "agent/targets/process_list.h"
#include "base/status_macros.h"

namespace pilotlight::agent {

std::vector<ProgramReport> GroupByExecutable(std::vector<ProcessReport> processes) {
  std::map<std::pair<std::string, std::string>, ProgramReport> groups;
  for (ProcessReport& process : processes) {
    const absl::Duration cpu_time = process.cpu_time;
    const auto [group, is_new] = groups.try_emplace({process.executable, process.service});
    ProgramReport& program = group->second;
    program.cpu_time += cpu_time;
    if (!is_new) ++program.processes;
    if (is_new || cpu_time > program.process.cpu_time) program.process = std::move(process);
  }
  std::vector<ProgramReport> programs;
  programs.reserve(groups.size());
  for (auto& [key, program] : groups) programs.push_back(std::move(program));
  std::ranges::stable_sort(programs, std::greater<>(), &ProgramReport::cpu_time);
  return programs;
}

Inspection InspectAll(ProcessLabeller* labeller) {
  std::vector<ProcessReport> processes;
  for (const pid_t pid : ListProcesses()) {
    absl::StatusOr<ProcessReport> process = InspectProcess(pid, "/proc", labeller);
    if (process.ok()) processes.push_back(*std::move(process));
  }
  return {.node = InspectNode(), .programs = GroupByExecutable(std::move(processes))};
}

absl::StatusOr<Inspection> InspectThese(const std::vector<pid_t>& pids, ProcessLabeller* labeller) {
  std::vector<ProcessReport> processes;
  for (const pid_t pid : pids) {
    ASSIGN_OR_RETURN(ProcessReport process, InspectProcess(pid, "/proc", labeller));
    processes.push_back(std::move(process));
  }
  return Inspection{.node = InspectNode(), .programs = GroupByExecutable(std::move(processes))};
}

}  // namespace pilotlight::agent
