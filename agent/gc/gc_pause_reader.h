// The new garbage collection pauses of the Go processes of each window.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/gc/go_memstats.h"
#include "agent/targets/address_range.h"
#include "agent/targets/process_table.h"

namespace pilotlight::agent {

// Costs one search of a process's data (a MB or so), then 4 kB read a window. Not thread-safe.
class GcPauseReader {
 public:
  // `go_data(process)` gives the writable data of its Go code; empty when it has none.
  using GoData = std::function<std::vector<AddressRange>(const Process& process)>;

  explicit GcPauseReader(GoData go_data, std::string proc_root = "/proc")
      : go_data_(std::move(go_data)), proc_root_(std::move(proc_root)) {}

  // Pauses since the last call for this process; none in the call that finds the record, as they may be days
  // old. Nothing when nothing can be said: no collection yet, no Go code, no right to look, gone.
  std::optional<GcPauses> Read(const Process& process, absl::Time now);
  // It cannot tell, and will not.
  bool IsUnreadable(pid_t pid) const;
  // After each window: forgets processes that have not been asked for in a while.
  void EndWindow();

  // So many processes' memory could not be read; CAP_SYS_PTRACE helps.
  uint64_t unreadable_processes() const { return unreadable_processes_; }
  size_t size() const { return watched_.size(); }
  // Those whose pauses are known.
  size_t found_processes() const;

 private:
  struct Watched {
    uint64_t start_ticks = 0;
    std::vector<AddressRange> data;
    uint64_t address = 0;  // of the record; 0 until it is found
    uint32_t cycles = 0;   // of the last read
    uint64_t last_window = 0;
    uint64_t next_search = 0;  // a window's number
    uint64_t searches = 0;
    bool unreadable = false;
    int misreads = 0;  // in a row
  };

  absl::StatusOr<uint64_t> Search(pid_t pid, const std::vector<AddressRange>& data, absl::Time now);
  void Find(const Process& process, Watched& watched, absl::Time now);

  const GoData go_data_;
  const std::string proc_root_;
  uint64_t unreadable_processes_ = 0;
  uint64_t window_ = 0;
  absl::flat_hash_map<pid_t, Watched> watched_;
};

}  // namespace pilotlight::agent
