// The one place that opens RocksDB and knows its settings and errors.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collector/store/embedded/embedded_store.h"
#include "rocksdb/db.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "rocksdb/write_batch.h"

namespace pilotlight::collector {

inline rocksdb::Slice ToSlice(absl::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// ResourceExhausted when the disk is full, DataLoss for corruption, else Unavailable; says `what` was done.
absl::Status ToStatus(const rocksdb::Status& status, absl::string_view what);

// Thread-safe.
class Database {
 public:
  // Errors as EmbeddedStore::Open().
  static absl::StatusOr<std::unique_ptr<Database>> Open(const EmbeddedStoreOptions& options);
  ~Database();

  // Durable when it returns OK: the write-ahead log is synced. Tries to recover from an earlier failure
  // first. ResourceExhausted while there is less room than EmbeddedStoreOptions::min_free_bytes.
  absl::Status Write(rocksdb::WriteBatch& batch);
  absl::Status CheckRoom() const;

  // Frees the space of keys in [begin, end) that a batch has deleted.
  absl::Status DeleteFiles(const std::string& begin, const std::string& end);
  absl::Status Compact();
  uint64_t disk_bytes() const;

  rocksdb::DB& rocks() const { return *rocks_; }

 private:
  Database(std::string path, uint64_t min_free_bytes);
  absl::Status CheckFormat();

  const std::string path_;
  const uint64_t min_free_bytes_;
  std::atomic<bool> write_failed_{false};
  std::unique_ptr<rocksdb::DB> rocks_;
};

}  // namespace pilotlight::collector
