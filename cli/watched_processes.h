// Which processes a recording is about, and what they have mapped while they live: a short-lived command is
// gone when its addresses are to be named.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/capture/capture_source.h"
#include "agent/targets/process_table.h"
#include "base/mutex.h"
#include "base/stop_signal.h"

namespace pilotlight::cli {

enum class WatchScope {
  kProcesses,  // those given
  kTree,       // those given and all their descendants
  kNode,
};

// Thread-safe.
class WatchedProcesses : public agent::ProcessObserver {
 public:
  // `tree_root`: whose descendants belong to the tree (this program itself, as it adopts orphans).
  WatchedProcesses(WatchScope scope, std::vector<pid_t> pids, pid_t tree_root, agent::ProcessTable& table,
                   std::string proc_root = "/proc");
  ~WatchedProcesses() override;

  // Looks at the watched processes again and again, in a thread of its own: after 5 ms, then at growing
  // distances up to 200 ms, shorter ones when a new one turns up. Not for kNode. Once only.
  void Start();

  void OnProcess(pid_t pid) override;

  bool Contains(pid_t pid) const;
  // Those that were alive at the last look.
  std::vector<pid_t> living() const;
  // Processes that ended before anybody could look whose they were.
  bool IsUnknown(pid_t pid) const;

  // Looks at all once, now.
  void Look();

 private:
  bool BelongsToTree(pid_t pid);
  void FindDescendants() ABSL_LOCKS_EXCLUDED(mutex_);
  void Run();

  const WatchScope scope_;
  const pid_t tree_root_;
  const std::string proc_root_;
  agent::ProcessTable& table_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_new_member_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<pid_t> members_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<pid_t> living_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<pid_t> unknown_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// The parent from /proc/PID/stat; 0 when the process is gone.
pid_t ParentOf(pid_t pid, const std::string& proc_root);

}  // namespace pilotlight::cli
