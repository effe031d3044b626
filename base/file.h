// Whole files: read them, replace them durably.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace pilotlight {

absl::StatusOr<UniqueFd> OpenReadOnly(const std::string& path);

// Works for /proc files too, whose size is not known beforehand. OutOfRange when there is more than `limit`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit = size_t{64} << 20);
// At most its first `limit` bytes.
absl::StatusOr<std::string> ReadFileStart(const std::string& path, size_t limit);

// Writes beside `path`, syncs, renames over it and syncs the directory: after OK it survives power loss.
absl::Status WriteFileDurably(const std::string& path, absl::string_view contents);
// A file or a directory, in the same one; after OK it survives power loss.
absl::Status RenameDurably(const std::string& from, const std::string& to);

// Like mkdir -p.
absl::Status MakeDirectories(const std::string& path);

// Removes itself, with all below it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace pilotlight
