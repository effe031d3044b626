// The agent's finished windows on disk, until the collector has them.
//
// A window goes here first, then over the network, and is removed when the collector has acknowledged or
// refused it. So a kill of the agent at any moment loses no finished window, and one that was being taken is
// counted by the next start. What is dropped leaves a gap in its boot's sequence, which the collector sees.
//
// The directory holds one file per window, `agent-id`, `lock`, `unsaved` (see spool_directory.h), and the
// last window that was set aside because nobody could read or accept it: `set-aside.window`. Each window's
// file, its directory entry and the marker are synced: three syncs a window, one window a minute, and power
// loss takes nothing that Commit() has taken. A removal is not synced: what comes back is sent again, and the
// collector knows it by (agent, boot, sequence).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/uplink/log_limit.h"
#include "agent/uplink/spool_directory.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "profile/profile.h"

namespace pilotlight::agent {

struct SpoolOptions {
  std::string directory;  // made when it is not there
  // Windows on disk, each rounded up to 4 KiB. When full the oldest are dropped, reason spool_full.
  size_t max_bytes = size_t{256} << 20;
  // Windows that the disk would not take. When full the oldest of them are dropped, reason disk_full.
  size_t max_memory_bytes = size_t{4} << 20;
  // A larger one, serialised or in memory, is dropped: reason too_large. With the larger numbers of a
  // stream's dictionary it is still below the 16 MiB that a collector takes as one message.
  size_t max_window_bytes = size_t{12} << 20;
};

struct WindowIdentity {
  std::string agent;
  std::string boot;
  uint64_t sequence = 0;
};

struct SpoolStats {
  uint64_t bytes = 0;           // on disk
  uint64_t windows = 0;         // on disk and in memory
  uint64_t memory_windows = 0;  // of these, only in memory
  // By reason; the known ones are always there. spool_full, disk_full, too_large, corrupt: as above and
  // below; invalid: breaks the limits of the wire; refused: by the collector; agent_killed: was being taken
  // when the last process of this directory died; and the reasons of AbandonWindow().
  std::map<std::string, uint64_t> dropped_windows;
};

struct SpooledWindow {
  uint64_t position = 0;  // grows with each window, over all boots; never 0
  Window window;
};

// Thread-safe; one thread at a time takes windows (Begin, then Commit or Abandon).
class Spool {
 public:
  // FailedPrecondition when another process has the directory. Windows of earlier processes are there
  // again, the oldest first.
  static absl::StatusOr<std::unique_ptr<Spool>> Open(const SpoolOptions& options);

  const std::string& agent() const { return agent_; }  // stable, 32 hexadecimal digits
  const std::string& boot() const { return boot_; }    // of this process, 16 hexadecimal digits

  // REQUIRES: no window is open.
  WindowIdentity BeginWindow();
  // Gives the window the open one's identity and keeps it. It is never refused: what cannot be kept is
  // counted. Blocks for the disk's sync.
  // REQUIRES: a window is open.
  void Commit(Window window);
  // The open window is lost: counted under `reason`, a label value such as "capture_failed".
  // REQUIRES: a window is open.
  void AbandonWindow(absl::string_view reason);

  // The oldest window past `position` that can be read; 0 is before all. Unreadable ones on the way are set
  // aside and counted (corrupt, invalid). All are of agent(), also those taken before `agent-id` was lost.
  std::optional<SpooledWindow> NextAfter(uint64_t position);
  // The collector has it. Nothing happens when it is not there any more.
  void Remove(uint64_t position);
  // The collector will never have it: counted under `reason`, and logged with `detail` at most once a minute.
  // With `keep` its file becomes set-aside.window. Nothing happens when it is not there any more.
  void Drop(uint64_t position, absl::string_view reason, bool keep, absl::string_view detail);

  bool empty() const;
  SpoolStats stats() const;

  // Called after each Commit(), in its thread; must be quick. Empty to end it: after that returns, it is not
  // called any more.
  void SetListener(std::function<void()> listener);

 private:
  struct Entry {
    std::shared_ptr<const std::string> boot;  // one string for all windows of a boot
    uint64_t sequence = 0;
    uint64_t disk_bytes = 0;
    std::unique_ptr<std::string> record;  // only while it is not on disk
  };
  using Entries = std::map<uint64_t, Entry>;

  explicit Spool(const SpoolOptions& options);
  absl::Status Start();
  absl::Status ReadDirectory();
  void CountLeftOver(const UnsavedWindows& left_over);

  std::string PathOf(uint64_t position, const Entry& entry) const;
  absl::Status WriteRecord(const std::string& path, absl::string_view record);
  void Keep(std::string record, uint64_t sequence);
  absl::Status SaveMemoryWindows();
  void CloseWindow();
  void WriteMarker();
  void Notify();
  // Drops the oldest windows on disk until `incoming` bytes have room.
  void MakeRoomOnDisk(uint64_t incoming) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void KeepInMemory(uint64_t position, Entry entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(Entries::iterator entry, bool keep) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(absl::string_view reason, uint64_t windows, absl::string_view detail)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SpoolOptions options_;
  std::string agent_;
  std::string boot_;
  std::shared_ptr<const std::string> shared_boot_;
  UniqueFd lock_;

  Mutex marker_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);  // held while the marker is on its way to the disk
  std::optional<UnsavedMarker> marker_ ABSL_GUARDED_BY(marker_mutex_);
  LogLimit marker_log_ ABSL_GUARDED_BY(marker_mutex_);

  mutable Mutex mutex_;  // never held while a window is read or written
  uint64_t last_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t open_sequence_ ABSL_GUARDED_BY(mutex_) = 0;  // 0 while none is open
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_position_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t disk_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t memory_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t memory_windows_ ABSL_GUARDED_BY(mutex_) = 0;
  struct Dropped {
    uint64_t windows = 0;
    LogLimit log;
  };
  std::map<std::string, Dropped> dropped_ ABSL_GUARDED_BY(mutex_);
  LogLimit disk_trouble_log_ ABSL_GUARDED_BY(mutex_);
  LogLimit read_log_ ABSL_GUARDED_BY(mutex_);

  Mutex listener_mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(listener_mutex_);
};

}  // namespace pilotlight::agent
