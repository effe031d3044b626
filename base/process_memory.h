// The memory of another process.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace pilotlight {

// At most `size` bytes from `address` on: fewer when what follows is not mapped. PermissionDenied without the
// right to trace the process.
absl::StatusOr<std::string> ReadProcessMemory(pid_t pid, uint64_t address, size_t size,
                                              const std::string& proc_root = "/proc");

}  // namespace pilotlight
