#include "agent/targets/process_table.h"

#include <limits.h>
#include <unistd.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"

namespace pilotlight::agent {
namespace {

constexpr uint64_t kKernelThreadFlag = 0x00200000;  // PF_KTHREAD in include/linux/sched.h

struct ProcessStat {
  std::string comm;
  uint64_t flags = 0;
  uint64_t start_ticks = 0;
};

std::optional<ProcessStat> ReadStat(pid_t pid, const std::string& proc_root) {
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(proc_root, "/", pid, "/stat"));
  if (!text.ok()) return std::nullopt;
  // The name may hold spaces and brackets itself; no later field does.
  const size_t open = text->find('(');
  const size_t close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  ProcessStat stat{.comm = text->substr(open + 1, close - open - 1)};
  // From the state on, which is field 3 of proc(5).
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(*text).substr(close + 1), absl::ByAnyChar(" \n"), absl::SkipEmpty());
  constexpr size_t kFlags = 9 - 3;
  constexpr size_t kStartTime = 22 - 3;
  if (fields.size() <= kStartTime || !absl::SimpleAtoi(fields[kFlags], &stat.flags) ||
      !absl::SimpleAtoi(fields[kStartTime], &stat.start_ticks)) {
    return std::nullopt;
  }
  return stat;
}

Cgroup ReadCgroup(pid_t pid, const std::string& proc_root) {
  constexpr size_t kMaxBytes = 64 << 10;  // a path has at most 4 KiB, and there are some 13 hierarchies
  const absl::StatusOr<std::string> text =
      ReadFileStart(absl::StrCat(proc_root, "/", pid, "/cgroup"), kMaxBytes);
  return text.ok() ? ParseCgroup(*text) : Cgroup{};
}

// Empty for kernel threads, and where the right to see it is missing.
std::string ReadExecutable(pid_t pid, const std::string& proc_root) {
  char path[PATH_MAX];
  const ssize_t length = readlink(absl::StrCat(proc_root, "/", pid, "/exe").c_str(), path, sizeof(path));
  if (length <= 0) return "";
  return std::string(absl::StripSuffix(absl::string_view(path, static_cast<size_t>(length)), " (deleted)"));
}

}  // namespace

std::string ExecutableName(const Process& process) {
  if (process.kernel_thread) return "kernel";
  const std::string name = process.executable.substr(process.executable.rfind('/') + 1);
  return name.empty() ? process.comm : name;
}

bool IsAlive(const Process& process, const std::string& proc_root) {
  const std::optional<ProcessStat> stat = ReadStat(process.pid, proc_root);
  return stat.has_value() && stat->start_ticks == process.start_ticks;
}

ProcessTable::Entry ProcessTable::NewEntry(std::shared_ptr<Process> process) const {
  ProcessLabelling labelling;
  if (labeller_ == nullptr) {
    labelling.labels[std::string(kServiceLabel)] = ExecutableName(*process);
  } else {
    labelling = labeller_->LabelsOf(*process);
  }
  process->labels = std::move(labelling.labels);
  process->dropped = labelling.dropped;
  return {.process = std::move(process), .seen_in_window = true, .labels_may_change = labelling.may_change};
}

void ProcessTable::OnProcess(pid_t pid) {
  const std::optional<ProcessStat> stat = ReadStat(pid, proc_root_);
  const std::string executable = ReadExecutable(pid, proc_root_);
  {
    MutexLock lock(mutex_);
    const auto known = entries_.find(pid);
    if (known != entries_.end()) {
      const Process& process = *known->second.process;
      // Gone by now: the old snapshot is the best there is. An exec keeps pid and start time, not the name.
      const bool same =
          !stat.has_value() || (process.start_ticks == stat->start_ticks && process.comm == stat->comm &&
                                (process.executable == executable || executable.empty()));
      if (same) {
        known->second.seen_in_window = true;
        return;
      }
    }
  }
  if (!stat.has_value()) return;

  auto process = std::make_shared<Process>();
  process->pid = pid;
  process->start_ticks = stat->start_ticks;
  process->comm = stat->comm;
  process->executable = executable;
  process->kernel_thread = (stat->flags & kKernelThreadFlag) != 0;
  if (!process->kernel_thread) {
    absl::StatusOr<ProcessMaps> maps = ProcessMaps::Read(pid, proc_root_);
    // Without them its frames have no names, which is counted there; the samples are the process's all the
    // same.
    if (maps.ok()) process->maps = *std::move(maps);
    process->cgroup = ReadCgroup(pid, proc_root_);
  }
  Entry entry = NewEntry(std::move(process));
  MutexLock lock(mutex_);
  entries_[pid] = std::move(entry);
}

void ProcessTable::OnNamedProcess(pid_t pid, absl::string_view comm) {
  OnProcess(pid);
  if (Find(pid) != nullptr) return;
  auto process = std::make_shared<Process>();
  process->pid = pid;
  process->comm = std::string(comm);
  Entry entry = NewEntry(std::move(process));
  MutexLock lock(mutex_);
  entries_.try_emplace(pid, std::move(entry));
}

void ProcessTable::RefreshMaps(pid_t pid) {
  {
    MutexLock lock(mutex_);
    const auto known = entries_.find(pid);
    if (known == entries_.end() || known->second.refreshed_in_window || known->second.process->kernel_thread)
      return;
    known->second.refreshed_in_window = true;
  }
  SnapshotMaps(pid);
}

void ProcessTable::SnapshotMaps(pid_t pid) {
  absl::StatusOr<ProcessMaps> maps = ProcessMaps::Read(pid, proc_root_);
  const std::optional<ProcessStat> stat = ReadStat(pid, proc_root_);
  // A process that is ending has no mappings any more, but its samples still want the old ones.
  if (!maps.ok() || maps->mappings().empty() || !stat.has_value()) return;
  MutexLock lock(mutex_);
  const auto known = entries_.find(pid);
  if (known == entries_.end() || known->second.process->start_ticks != stat->start_ticks) return;
  auto refreshed = std::make_shared<Process>(*known->second.process);
  refreshed->maps = *std::move(maps);
  known->second.process = std::move(refreshed);
}

void ProcessTable::UpdateLabels() {
  std::vector<std::shared_ptr<const Process>> processes;
  {
    MutexLock lock(mutex_);
    for (const auto& [pid, entry] : entries_) {
      if (entry.seen_in_window && entry.labels_may_change) processes.push_back(entry.process);
    }
  }
  if (processes.empty()) return;
  // Begins to find out what is not known yet.
  for (const std::shared_ptr<const Process>& process : processes) labeller_->LabelsOf(*process);
  labeller_->Settle();
  for (const std::shared_ptr<const Process>& process : processes) {
    ProcessLabelling labelling = labeller_->LabelsOf(*process);
    MutexLock lock(mutex_);
    const auto known = entries_.find(process->pid);
    if (known == entries_.end() || known->second.process->start_ticks != process->start_ticks) continue;
    Entry& entry = known->second;
    entry.labels_may_change = labelling.may_change;
    if (entry.process->labels == labelling.labels && entry.process->dropped == labelling.dropped) continue;
    auto updated = std::make_shared<Process>(*entry.process);
    updated->labels = std::move(labelling.labels);
    updated->dropped = labelling.dropped;
    entry.process = std::move(updated);
  }
}

std::shared_ptr<const Process> ProcessTable::Find(pid_t pid) const {
  MutexLock lock(mutex_);
  const auto known = entries_.find(pid);
  return known == entries_.end() ? nullptr : known->second.process;
}

void ProcessTable::EndWindow() {
  MutexLock lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto current = it++;
    Entry& entry = current->second;
    if (!entry.seen_in_window && access(absl::StrCat(proc_root_, "/", current->first).c_str(), F_OK) != 0) {
      entries_.erase(current);
      continue;
    }
    entry.seen_in_window = false;
    entry.refreshed_in_window = false;
  }
}

size_t ProcessTable::size() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace pilotlight::agent
