// Tells a capture source what it needs to know of each Go program, as soon as it meets one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "agent/capture/capture_source.h"
#include "agent/symbolize/file_identity.h"
#include "agent/targets/process_table.h"
#include "agent/targets/process_watcher.h"
#include "objfile/elf_file.h"

namespace pilotlight::agent {

// Where the functions that change stacks are, with addresses of the ELF file, and how the runtime is laid
// out. Nothing when it is no Go program, or one of a version or machine that is not known.
std::optional<GoProgram> FindGoProgram(const ElfFile& elf);

// Stands between a capture source and who is told of its processes. Used by the source's thread alone.
class GoProgramFinder : public ProcessWatcher {
 public:
  // All are borrowed. `next` puts into `processes` what it is told of.
  GoProgramFinder(ProcessObserver& next, const ProcessTable& processes, CaptureSource& source,
                  std::string proc_root = "/proc")
      : ProcessWatcher(next), processes_(processes), source_(source), proc_root_(std::move(proc_root)) {}

 private:
  void Look(pid_t pid) override;
  std::optional<GoProgram> FindInFile(const Process& process, const Mapping& mapping);

  const ProcessTable& processes_;
  CaptureSource& source_;
  const std::string proc_root_;
  absl::flat_hash_map<pid_t, uint64_t> seen_;  // with its start
  absl::flat_hash_map<FileIdentity, std::optional<GoProgram>> by_file_;
};

}  // namespace pilotlight::agent
