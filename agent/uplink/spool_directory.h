// What stands in the spool's directory beside the windows: the lock, the agent's name, the open window.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace pilotlight::agent {

// `bytes` random bytes as lower-case hexadecimal digits.
std::string RandomHex(size_t bytes);

// Held by one process as long as the descriptor is open. FailedPrecondition when another one has it.
absl::StatusOr<UniqueFd> LockDirectory(const std::string& directory);

// 32 hexadecimal digits, made at the first start and kept in the file `agent-id`.
absl::StatusOr<std::string> ReadOrMakeAgentId(const std::string& directory);

// The name of a window's file: "000000000042-8c1f0e6b2d9a4733-17.window".
// `position` grows with every window over all boots, so the files' order is the windows'.
struct SpoolFileName {
  uint64_t position = 0;
  std::string boot;
  uint64_t sequence = 0;

  std::string ToString() const;
  static std::optional<SpoolFileName> Parse(absl::string_view name);
};

// What would be lost if the agent were killed now.
struct UnsavedWindows {
  std::string boot;
  uint64_t open_sequence = 0;   // of the window that is being taken, 0 for none
  uint64_t memory_windows = 0;  // finished, but only in memory because the disk is full
};

// Remembers UnsavedWindows over the death of the process, in the file `unsaved`. The file has one size for
// ever and is overwritten in place, in one sector, so it works on a full disk too. Not thread-safe.
class UnsavedMarker {
 public:
  static absl::StatusOr<UnsavedMarker> Open(const std::string& directory);

  // As the last process left it; without a boot when there is nothing to read.
  const UnsavedWindows& left_over() const { return left_over_; }
  // Durable when OK.
  absl::Status Write(const UnsavedWindows& windows);

 private:
  UniqueFd fd_;
  std::string path_;
  UnsavedWindows left_over_;
};

}  // namespace pilotlight::agent
