#include "agent/pull/go_endpoints.h"

#include <algorithm>
#include <utility>

#include "agent/capture/pprof/pprof_probe.h"
#include "agent/symbolize/binary_opener.h"
#include "objfile/go_symbols.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kMaxProcesses = 1024;
constexpr absl::Duration kLongestWait = absl::Hours(1);

}  // namespace

bool LinksPprof(const Process& process, const std::string& proc_root) {
  const absl::StatusOr<std::unique_ptr<ElfFile>> elf = OpenMainBinary(process, proc_root);
  if (!elf.ok()) return false;
  const absl::StatusOr<std::unique_ptr<GoSymbols>> go = GoSymbols::Create(**elf);
  return go.ok() && (*go)->HasFunction("net/http/pprof.Index");
}

GoEndpoints::Probe GoEndpoints::SystemProbe() {
  return {.links_pprof = [](const Process& process) { return LinksPprof(process, "/proc"); },
          .find_port = [](pid_t pid) { return FindPprofPort(pid); }};
}

void StartBehind(pid_t pid, std::vector<GoEndpoint>& endpoints) {
  std::rotate(
      endpoints.begin(),
      std::ranges::find_if(endpoints, [pid](const GoEndpoint& endpoint) { return endpoint.pid > pid; }),
      endpoints.end());
}

void GoEndpoints::OnGoProcess(const std::shared_ptr<const Process>& process, bool tells_gc_pauses) {
  const MutexLock lock(mutex_);
  const auto known = states_.find(process->pid);
  if (known == states_.end()) {
    if (states_.size() >= kMaxProcesses) return;
    states_[process->pid].process = process;
  } else if (known->second.process->start_ticks != process->start_ticks) {
    known->second = State{.process = process};
  } else {
    known->second.process = process;  // its labels may have changed
  }
  states_[process->pid].tells_gc_pauses = tells_gc_pauses;
}

void GoEndpoints::Forget(pid_t pid) {
  const MutexLock lock(mutex_);
  states_.erase(pid);
}

void GoEndpoints::Look(State& state, absl::Duration now) const {
  if (!state.judged) {
    state.judged = true;
    if (!probe_.links_pprof(*state.process)) {
      state.next_try = absl::InfiniteDuration();
      return;
    }
  }
  absl::StatusOr<ListeningPort> port = probe_.find_port(state.process->pid);
  state.found = port.ok();
  if (port.ok()) {
    state.port = *std::move(port);
    state.wait = absl::ZeroDuration();
    return;
  }
  state.wait = std::clamp(state.wait * 2, retry_, kLongestWait);
  state.next_try = now + state.wait;
}

std::vector<GoEndpoint> GoEndpoints::Round(absl::Duration now,
                                           const std::function<bool(const Process&)>& is_alive) {
  std::map<pid_t, State> states;
  {
    const MutexLock lock(mutex_);
    std::erase_if(states_, [&is_alive](const auto& entry) { return !is_alive(*entry.second.process); });
    states = states_;
  }
  std::vector<GoEndpoint> endpoints;
  size_t probes = 0;
  for (auto& [pid, state] : states) {
    if (!state.found && state.next_try <= now && probes < max_probes_) {
      ++probes;
      Look(state, now);
      const MutexLock lock(mutex_);
      const auto current = states_.find(pid);
      if (current == states_.end() || current->second.process->start_ticks != state.process->start_ticks)
        continue;
      state.process = current->second.process;
      state.tells_gc_pauses = current->second.tells_gc_pauses;
      current->second = state;
    }
    if (state.found)
      endpoints.push_back(
          {pid, state.process->start_ticks, state.process->labels, state.port, state.tells_gc_pauses});
  }
  return endpoints;
}

size_t GoEndpoints::found() {
  const MutexLock lock(mutex_);
  return static_cast<size_t>(
      std::ranges::count_if(states_, [](const auto& entry) { return entry.second.found; }));
}

void GoEndpoints::Lost(pid_t pid) {
  const MutexLock lock(mutex_);
  const auto known = states_.find(pid);
  if (known != states_.end()) known->second.found = false;
}

}  // namespace pilotlight::agent
