// Tells a capture source which processes run Python or a JVM, as soon as it meets one, or when one has opened
// their libraries.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "agent/capture/capture_source.h"
#include "agent/java/hotspot_tables.h"
#include "agent/symbolize/file_identity.h"
#include "agent/targets/process_table.h"
#include "agent/targets/process_watcher.h"
#include "objfile/elf_file.h"

namespace pilotlight::agent {

// With addresses of the ELF file. Nothing when it is no CPython interpreter. The version is 0 when it has no
// symbols for what must be known of it, unless the name of the file tells.
std::optional<PythonRuntime> FindPythonRuntime(const ElfFile& elf, absl::string_view path);
// That of a process, with its addresses.
std::optional<PythonRuntime> FindPythonRuntime(const Process& process,
                                               const std::string& proc_root = "/proc");

// Of a process's libjvm.so, in the process; nothing when it has none that is HotSpot.
std::optional<HotSpotSymbols> FindHotSpotSymbols(const Process& process,
                                                 const std::string& proc_root = "/proc");

// By the names of its files.
bool MayRunPython(const Process& process);

// Used by the source's thread alone.
class RuntimeFinder : public ProcessWatcher {
 public:
  // All are borrowed. `next` puts into `processes` what it is told of.
  RuntimeFinder(ProcessObserver& next, const ProcessTable& processes, CaptureSource& source,
                std::string proc_root = "/proc")
      : ProcessWatcher(next), processes_(processes), source_(source), proc_root_(std::move(proc_root)) {}

  // Tells of it before it is sampled.
  void AddProcess(const Process& process);
  void OnUnmappedCode(pid_t pid) override;

 private:
  struct Seen {
    uint64_t start_ticks = 0;
    std::string executable;
    size_t mappings = 0;  // when it was looked at
    bool has_python = false;
    bool has_jvm = false;
  };

  void Look(pid_t pid) override;

  const ProcessTable& processes_;
  CaptureSource& source_;
  const std::string proc_root_;
  absl::flat_hash_map<pid_t, Seen> seen_;
  absl::flat_hash_map<FileIdentity, std::optional<PythonRuntime>> pythons_;
  absl::flat_hash_map<FileIdentity, std::optional<HotSpotSymbols>> jvms_;
};

}  // namespace pilotlight::agent
