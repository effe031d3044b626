// What the kernel knows about the programs of a benchmark.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace pilotlight::load {

// User and system time of all threads, also of those that have ended; 0 when the process is gone.
absl::Duration ProcessCpu(pid_t pid);
absl::Duration OwnCpu();

struct ProcessMemory {
  uint64_t rss_bytes = 0;
  uint64_t max_rss_bytes = 0;  // since the start, or ResetMaxRss()
};
ProcessMemory MemoryOf(pid_t pid);
void ResetMaxRss(pid_t pid);

// Blocks in use of all files below `path`.
uint64_t DirectoryBytes(const std::string& path);

// As many open files as the hard limit allows.
void RaiseFileLimit();

}  // namespace pilotlight::load
