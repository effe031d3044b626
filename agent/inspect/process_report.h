// What can be expected of the profiles of a process, and what would make them better.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/targets/process_table.h"
#include "objfile/elf_file.h"

namespace pilotlight::agent {

// Which functions of the main program have names.
enum class NameCoverage { kAll, kExported, kNone, kUnreadable };
// Which functions of the main program an unwinder by frame pointers sees. They are not needed where the
// program has unwind tables, which the source ebpf goes by.
enum class FramePointers { kAll, kSome, kNone, kUnknown, kNotNeeded };

struct ProcessReport {
  pid_t pid = 0;
  std::string service;     // the label service_name of its profiles
  std::string executable;  // path as the process sees it
  std::string runtime;     // "Go 1.26.8", "JVM", "Node.js", "CPython", "native"
  NameCoverage names = NameCoverage::kUnreadable;
  FramePointers frame_pointers = FramePointers::kUnknown;
  bool stripped = false;  // has no symbol table of its own
  std::string pprof;      // "127.0.0.1:6060" in its network, where it serves net/http/pprof; empty if nowhere
  absl::Duration cpu_time;
  std::vector<std::string> advice;  // sentences; empty when nothing is missing
};

// The labels are those of `labeller`, without one those of ProcessTable.
//
// NotFound when the process is gone, or is a thread of the kernel. Costs one look at its main binary, and
// when that has net/http/pprof, a request to its ports (see FindPprofPort()).
absl::StatusOr<ProcessReport> InspectProcess(pid_t pid, const std::string& proc_root = "/proc",
                                             ProcessLabeller* labeller = nullptr);

// Judged by how functions begin, a few hundred of those that have names. kUnknown without any, and for other
// machines than x86-64.
FramePointers FindFramePointers(const ElfFile& elf);

}  // namespace pilotlight::agent
