// Copies of a store that is in use, each a storage path of its own.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/embedded/database.h"

namespace pilotlight::collector {

// Makes `storage_path`/snapshots/<UTC time>-<random> and returns its name. It holds all that was written
// before the call. Tables are hard links, so it costs next to nothing at first, and keeps the space of what
// the store drops later. What an attempt that was cut off has left there (*.tmp) is removed.
// ResourceExhausted when the disk is full. REQUIRES: one at a time.
absl::StatusOr<std::string> TakeSnapshot(Database& database, const std::string& storage_path, absl::Time now);

}  // namespace pilotlight::collector
