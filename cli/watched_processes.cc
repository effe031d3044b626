#include "cli/watched_processes.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/directory.h"
#include "base/file.h"

namespace pilotlight::cli {
namespace {

constexpr absl::Duration kFirstLook = absl::Milliseconds(5);
// Not shorter: a build starts hundreds of processes a second, and each look costs some 0.1 ms a process.
constexpr absl::Duration kAfterNewMember = absl::Milliseconds(20);
constexpr absl::Duration kLastDistance = absl::Milliseconds(200);
// A chain of parents is never this long; a loop would need pids that are reused while we read.
constexpr int kMaxDepth = 1000;

// From /proc/PID/task/TID/children, which needs CONFIG_PROC_CHILDREN; without it children turn up with their
// first sample.
std::vector<pid_t> ChildrenOf(pid_t pid, const std::string& proc_root) {
  const std::string tasks = absl::StrCat(proc_root, "/", pid, "/task");
  std::vector<pid_t> children;
  for (const std::string& task : ListDirectory(tasks)) {
    const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(tasks, "/", task, "/children"));
    if (!text.ok()) continue;
    for (const absl::string_view word : absl::StrSplit(*text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
      pid_t child = 0;
      if (absl::SimpleAtoi(word, &child)) children.push_back(child);
    }
  }
  return children;
}

bool IsThere(pid_t pid, const std::string& proc_root) {
  return ::access(absl::StrCat(proc_root, "/", pid).c_str(), F_OK) == 0;
}

}  // namespace

pid_t ParentOf(pid_t pid, const std::string& proc_root) {
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(proc_root, "/", pid, "/stat"));
  if (!text.ok()) return 0;
  // "PID (name) state parent …": the name may hold anything.
  const size_t close = text->rfind(')');
  if (close == std::string::npos) return 0;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(*text).substr(close + 1), ' ', absl::SkipEmpty());
  pid_t parent = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &parent)) return 0;
  return parent;
}

WatchedProcesses::WatchedProcesses(WatchScope scope, std::vector<pid_t> pids, pid_t tree_root,
                                   agent::ProcessTable& table, std::string proc_root)
    : scope_(scope), tree_root_(tree_root), proc_root_(std::move(proc_root)), table_(table) {
  if (scope_ == WatchScope::kNode) return;
  {
    MutexLock lock(mutex_);
    members_.insert(pids.begin(), pids.end());
    living_ = members_;
  }
  for (const pid_t pid : pids) table_.OnProcess(pid);
}

void WatchedProcesses::Start() {
  if (scope_ != WatchScope::kNode) thread_ = std::thread([this] { Run(); });
}

WatchedProcesses::~WatchedProcesses() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void WatchedProcesses::OnProcess(pid_t pid) {
  if (scope_ == WatchScope::kNode) {
    table_.OnProcess(pid);
    return;
  }
  bool is_member = Contains(pid);
  if (!is_member && scope_ == WatchScope::kTree) is_member = BelongsToTree(pid);
  if (!is_member) return;
  table_.OnProcess(pid);
  MutexLock lock(mutex_);
  members_.insert(pid);
  if (living_.insert(pid).second) {
    has_new_member_ = true;
    changed_.NotifyAll();
  }
}

bool WatchedProcesses::BelongsToTree(pid_t pid) {
  pid_t at = pid;
  for (int depth = 0; depth < kMaxDepth && at > 1; ++depth) {
    const pid_t parent = ParentOf(at, proc_root_);
    if (parent == tree_root_) return true;
    if (parent == 0 && at == pid) {
      // Kernel threads have no parent either, but they are there.
      if (IsThere(pid, proc_root_)) return false;
      MutexLock lock(mutex_);
      unknown_.insert(pid);
      return false;
    }
    if (parent != 0 && Contains(parent)) return true;
    at = parent;
  }
  return false;
}

bool WatchedProcesses::Contains(pid_t pid) const {
  if (scope_ == WatchScope::kNode) return true;
  MutexLock lock(mutex_);
  return members_.contains(pid);
}

std::vector<pid_t> WatchedProcesses::living() const {
  MutexLock lock(mutex_);
  return {living_.begin(), living_.end()};
}

bool WatchedProcesses::IsUnknown(pid_t pid) const {
  MutexLock lock(mutex_);
  return unknown_.contains(pid);
}

void WatchedProcesses::FindDescendants() {
  std::vector<pid_t> pending = ChildrenOf(tree_root_, proc_root_);
  absl::flat_hash_set<pid_t> found;
  while (!pending.empty()) {
    const pid_t pid = pending.back();
    pending.pop_back();
    if (!found.insert(pid).second) continue;
    OnProcess(pid);
    for (const pid_t child : ChildrenOf(pid, proc_root_)) pending.push_back(child);
  }
}

void WatchedProcesses::Look() {
  if (scope_ == WatchScope::kTree) FindDescendants();
  for (const pid_t pid : living()) {
    // An exec changes the name too.
    table_.OnProcess(pid);
    table_.SnapshotMaps(pid);
    if (!IsThere(pid, proc_root_)) {
      MutexLock lock(mutex_);
      living_.erase(pid);
    }
  }
}

void WatchedProcesses::Run() {
  absl::Duration distance = kFirstLook;
  while (true) {
    const absl::Time last_look = absl::Now();
    {
      MutexLock lock(mutex_);
      while (!stopping_) {
        if (std::exchange(has_new_member_, false)) distance = std::min(distance, kAfterNewMember);
        const absl::Duration left = last_look + distance - absl::Now();
        // A clock that is set back must not end the watch.
        if (left <= absl::ZeroDuration() || left > kLastDistance) break;
        changed_.WaitFor(mutex_, left);
      }
      if (stopping_) return;
    }
    Look();
    distance = std::min(distance * 2, kLastDistance);
  }
}

}  // namespace pilotlight::cli
