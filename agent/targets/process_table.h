// What the agent knows of the processes that it has sampled: mappings, executable, labels.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/capture/capture_source.h"
#include "agent/targets/cgroup.h"
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
  Cgroup cgroup;
  ProcessMaps maps;
  Labels labels;         // service_name and what else is known
  bool dropped = false;  // by relabelling: it is not to be profiled
};

// The base name of its executable, or what the kernel calls it; "kernel" for the threads of the kernel, as
// they come and go and each has a name of its own.
std::string ExecutableName(const Process& process);

struct ProcessLabelling {
  Labels labels;
  bool dropped = false;
  bool may_change = false;  // more may be known later
};

// Thread-safe. Called when a process is seen for the first time, perhaps in the middle of a capture, so it
// does not wait.
class ProcessLabeller {
 public:
  virtual ~ProcessLabeller() = default;
  virtual ProcessLabelling LabelsOf(const Process& process) = 0;
  // Waits, for a second at most, for what is being found out since LabelsOf() was asked.
  virtual void Settle() = 0;
};

// False also when its pid is another's by now.
bool IsAlive(const Process& process, const std::string& proc_root = "/proc");

// Thread-safe. Keeps a vanished process until the window after the one that it was last seen in, so that
// its samples can still be named.
class ProcessTable : public ProcessObserver {
 public:
  // `labeller` is borrowed; without one processes are labelled with the names of their executables.
  explicit ProcessTable(std::string proc_root = "/proc", ProcessLabeller* labeller = nullptr)
      : proc_root_(std::move(proc_root)), labeller_(labeller) {}

  // Snapshots a process that is not known, or whose pid has been reused.
  void OnProcess(pid_t pid) override;
  // Likewise; a process that is gone already is known by this name alone.
  void OnNamedProcess(pid_t pid, absl::string_view comm) override;
  // Reads the mappings again, for an address that they do not hold (a library opened since). At most once
  // per window; the old ones stay when the process is gone.
  void RefreshMaps(pid_t pid);
  // The same, as often as it is called: for whoever watches a process that may end any moment.
  void SnapshotMaps(pid_t pid);
  // Asks again for the labels of those seen in this window that may have others by now. Blocks as
  // ProcessLabeller::Settle() does.
  void UpdateLabels();
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
    bool labels_may_change = false;
  };

  Entry NewEntry(std::shared_ptr<Process> process) const;

  const std::string proc_root_;
  ProcessLabeller* const labeller_;
  mutable Mutex mutex_;
  absl::flat_hash_map<pid_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::agent
