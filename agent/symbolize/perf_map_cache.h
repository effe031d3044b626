// The perf maps, and the dumps of JIT compilers, of the processes that have one.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "agent/symbolize/perf_map.h"
#include "agent/symbolize/symbolizer_stats.h"
#include "agent/targets/process_table.h"

namespace pilotlight::agent {

struct PerfMapLimits {
  size_t file_bytes = size_t{32} << 20;  // of a perf map; what is beyond is left out
  size_t bytes = size_t{24} << 20;  // of all maps; the least recently used go first. A dump is read up to it
};

// Not thread-safe.
class PerfMapCache {
 public:
  explicit PerfMapCache(PerfMapLimits limits = {}, std::string proc_root = "/proc")
      : limits_(limits), proc_root_(std::move(proc_root)) {}

  // The name of JIT code; empty when there is none. Looks for the map, or for what was added to it, once per
  // process and window. Valid until the next call.
  absl::string_view Find(const Process& process, uint64_t address);
  // Forgets the maps of processes that were not asked for in this window.
  void EndWindow();

  // Adds its part.
  void AddTo(SymbolizerStats& stats) const;
  size_t byte_size() const { return bytes_; }

 private:
  // What was read of a file that grows.
  struct Names {
    uint64_t inode = 0;
    uint64_t read_bytes = 0;
    PerfMap map;

    // True when the file is another one than before, or was cut.
    bool StartsAnew(const struct stat& status);
  };
  struct Entry {
    uint64_t start_ticks = 0;
    Names text;
    Names dump;
    size_t bytes = 0;  // as counted in bytes_
    bool looked_in_window = false;
    uint64_t last_used = 0;
  };

  void ReadText(const Process& process, Names& names);
  void ReadDump(const Process& process, Names& names);
  void Account(Entry& entry);
  void MakeRoom(pid_t keep);

  const PerfMapLimits limits_;
  const std::string proc_root_;
  absl::flat_hash_map<pid_t, std::unique_ptr<Entry>> entries_;
  size_t bytes_ = 0;
  uint64_t uses_ = 0;
  uint64_t cut_off_ = 0;
  uint64_t evicted_ = 0;
};

// There is one, or a dump, that belongs to the user that the process runs as.
bool HasPerfMap(const Process& process, const std::string& proc_root = "/proc");

}  // namespace pilotlight::agent
