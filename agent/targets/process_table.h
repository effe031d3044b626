// What the agent knows of the processes that it has sampled: mappings, executable, labels.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/capture/capture_source.h"
#include "agent/targets/process_maps.h"
#include "base/mutex.h"
#include "profile/profile.h"

namespace pilotlight::agent {

struct Process {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat: with the pid it names a process for one boot
  std::string comm;
  std::string executable;  // path as the process sees it; empty for kernel threads
  bool kernel_thread = false;
  ProcessMaps maps;
  Labels labels;  // service_name and what else is known
};

// False also when its pid is another's by now.
bool IsAlive(const Process& process, const std::string& proc_root = "/proc");

// Thread-safe. Keeps a vanished process until the window after the one that it was last seen in, so that
// its samples can still be named.
class ProcessTable : public ProcessObserver {
 public:
  explicit ProcessTable(std::string proc_root = "/proc") : proc_root_(std::move(proc_root)) {}

  // Snapshots a process that is not known, or whose pid has been reused.
  void OnProcess(pid_t pid) override;
  // Likewise; a process that is gone already is known by this name alone.
  void OnNamedProcess(pid_t pid, absl::string_view comm) override;
  // Reads the mappings again, for an address that they do not hold (a library opened since). At most once
  // per window; the old ones stay when the process is gone.
  void RefreshMaps(pid_t pid);
  // The same, as often as it is called: for whoever watches a process that may end any moment.
  void SnapshotMaps(pid_t pid);
  // The last snapshot, or nullptr when the process was gone before it could be looked at.
  std::shared_ptr<const Process> Find(pid_t pid) const;
  // Forgets what was not seen in the window that ends now and is gone.
  void EndWindow();
  size_t size() const;

 private:
  struct Entry {
    std::shared_ptr<const Process> process;
    bool seen_in_window = false;
    bool refreshed_in_window = false;
  };
  const std::string proc_root_;
  mutable Mutex mutex_;
  absl::flat_hash_map<pid_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::agent
