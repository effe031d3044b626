// Copies of a storage path that is in use, each a storage path of its own.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace pilotlight::collector {

// Makes `storage_path`/snapshots/<UTC time>-<random> of what `copy` puts into the directory that it is given,
// which it makes itself, and returns its name. It appears whole or not at all. What an attempt that was cut
// off has left there (*.tmp) is removed. REQUIRES: one at a time.
absl::StatusOr<std::string> TakeSnapshot(const std::string& storage_path, absl::Time now,
                                         const std::function<absl::Status(const std::string& path)>& copy);

}  // namespace pilotlight::collector
