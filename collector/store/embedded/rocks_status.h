// RocksDB's slices and errors in our terms.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace pilotlight::collector {

inline rocksdb::Slice ToSlice(absl::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// ResourceExhausted when the disk is full, DataLoss for corruption, else Unavailable; says `what` was done.
absl::Status ToStatus(const rocksdb::Status& status, absl::string_view what);

}  // namespace pilotlight::collector
