// Keeps a capture source supplied with the unwind tables of the processes that it meets.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/capture/capture_source.h"
#include "agent/capture/ebpf/unwind_maps.h"
#include "agent/symbolize/file_identity.h"
#include "agent/targets/process_table.h"
#include "agent/targets/process_watcher.h"
#include "agent/unwind/unwind_stats.h"
#include "objfile/elf_file.h"

namespace pilotlight::agent {

struct UnwindTableKeeperOptions {
  std::string proc_root = "/proc";
  // Tables of binaries that are new are made at once, not when the window has ended: for whoever watches one
  // program, once.
  bool build_in_window = false;
};

// Stands between a capture source and who is told of its processes; does nothing for a source without
// UnwindMaps. Binaries are the same when their build ID is, whatever file they are in. Not thread-safe: used
// by the source's thread, and between windows.
class UnwindTableKeeper : public ProcessWatcher {
 public:
  // All are borrowed. `next` puts into `processes` what it is told of.
  UnwindTableKeeper(ProcessObserver& next, ProcessTable& processes, CaptureSource& source,
                    UnwindTableKeeperOptions options = {});

  void OnUnmappedCode(pid_t pid) override;

  // Makes what it needs, so that it is unwound from its first sample on. Costs some 10 ms of CPU time for
  // each million rows.
  void AddProcess(const Process& process);
  // After a window, between two: makes the tables that were missing in it, and drops those of processes that
  // are gone.
  void EndWindow();

  UnwindStats stats() const;

 private:
  // A file as /proc/PID/maps shows it.
  using MappedFile = std::tuple<uint64_t, uint64_t, std::string>;

  struct Binary {
    UnwindTable table;
    // Executable ones; empty for a binary that cannot be unwound.
    std::vector<ElfSegment> segments;
  };
  struct Known {
    uint64_t start_ticks = 0;
    std::string executable;
    bool incomplete = false;  // a table is still to be made
    int refreshes = 0;        // in this window
  };

  void Look(pid_t pid) override;
  void Register(const Process& process, Known& known, bool build);
  // Nothing when its table is still to be made.
  std::optional<Binary> BinaryOf(const Process& process, const Mapping& mapping, bool build);
  std::optional<Binary> BinaryOfFile(const Process& process, const Mapping& mapping, bool build);
  std::optional<Binary> BinaryOfVdso();
  // Of memory without a file.
  UnwindTable TableOfMadeCode(const Process& process, const Mapping& mapping);
  Binary Build(const ElfFile& elf);
  void MakeRoom();

  ProcessTable& processes_;
  UnwindMaps* const maps_;
  const UnwindTableKeeperOptions options_;
  absl::flat_hash_map<pid_t, Known> known_;
  absl::flat_hash_map<MappedFile, Binary> by_mapped_file_;  // of this window
  absl::flat_hash_map<FileIdentity, Binary> by_file_;
  absl::flat_hash_map<std::string, Binary> by_build_id_;
  std::optional<Binary> vdso_;
  std::optional<UnwindTable> trampolines_;  // of Python
  uint64_t windows_since_clear_ = 0;
  bool is_full_ = false;
  UnwindStats stats_;
};

}  // namespace pilotlight::agent
