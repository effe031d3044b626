// The executable mappings of one process at one moment.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pilotlight::agent {

// One executable mapping, a line of /proc/PID/maps (Documentation/filesystems/proc.rst).
struct Mapping {
  uint64_t start = 0;
  uint64_t end = 0;  // exclusive
  uint64_t file_offset = 0;
  uint64_t device = 0;  // as stat(2) gives it
  uint64_t inode = 0;   // 0: no file behind it
  std::string path;     // as the process sees it, without " (deleted)"; "[vdso]"; empty for JIT code
  bool deleted = false;

  friend bool operator==(const Mapping&, const Mapping&) = default;
};

class ProcessMaps {
 public:
  // NotFound when the process is gone.
  static absl::StatusOr<ProcessMaps> Read(pid_t pid, const std::string& proc_root = "/proc");
  // Lines that are not understood are left out.
  static ProcessMaps Parse(absl::string_view text);

  // The mapping that holds `address`, or nullptr.
  const Mapping* Find(uint64_t address) const;
  const std::vector<Mapping>& mappings() const { return mappings_; }

 private:
  std::vector<Mapping> mappings_;  // executable ones, sorted by start
};

}  // namespace pilotlight::agent
