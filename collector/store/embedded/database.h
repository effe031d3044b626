// The one place that opens RocksDB, knows its settings, and brings it back after errors.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/embedded/store_counters.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace pilotlight::collector {

// Thread-safe. After a failed write, or failed work in the background, RocksDB takes no more writes. Its own
// way back (DB::Resume) is not used: when the log could not be written and the memtable is empty, RocksDB 7.8
// goes on with the same broken log file, which ends the process where it is built with assertions, as
// Debian's is. Recover() closes and opens instead; what the log holds is then read again.
class Database {
 public:
  // Errors as EmbeddedStore::Open(). A corrupt database is salvaged first, and any when `salvage` is set.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const EmbeddedStoreOptions& options,
                                                        StoreCounters& counters, bool salvage = false);

  struct ReadOnly {
    std::shared_ptr<void> lock;  // keeps collectors away
    std::unique_ptr<rocksdb::DB> rocks;
  };
  // Changes no byte. FailedPrecondition when a collector has it open, or it is of another version; NotFound
  // when there is none; DataLoss when it is too corrupt to be opened.
  static absl::StatusOr<ReadOnly> OpenReadOnly(const EmbeddedStoreOptions& options);
  ~Database();

  // While one is held, the database stays open. Not to be nested.
  class Use {
   public:
    explicit Use(Database& database);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    // Unavailable when the last Recover() could not open it.
    absl::Status status() const;
    // REQUIRES: status() is OK.
    rocksdb::DB& rocks() const { return *database_.rocks_; }

   private:
    Database& database_;
  };

  // Durable when it returns OK: the write-ahead log is synced.
  absl::Status Write(rocksdb::WriteBatch& batch);
  // ResourceExhausted while there is less room than EmbeddedStoreOptions::min_free_bytes.
  absl::Status CheckRoom() const { return CheckRoom(options_.min_free_bytes); }
  // The same for sums, which may be large and can wait: they leave alone what dropping old records needs.
  absl::Status CheckRoomForSums() const { return CheckRoom(2 * options_.min_free_bytes); }

  // True when Recover() has something to do.
  bool broken() const;
  // Waits until nobody uses the database and opens it anew; then, before anyone may use it again, calls
  // `on_reopened`. What a failed write has left in the log may have become stored. Where compaction has met
  // corrupt records, the database is salvaged meanwhile. ResourceExhausted when there is no room to open it.
  absl::Status Recover(const std::function<void()>& on_reopened);

  // Frees the space of keys in [begin, end) that a batch has deleted.
  absl::Status DeleteFiles(const std::string& begin, const std::string& end);
  absl::Status Compact();
  // Only keys in [begin, end).
  absl::Status Compact(const std::string& begin, const std::string& end);
  // Makes `directory`, an absolute path, a database with what this one holds now.
  absl::Status Checkpoint(const std::string& directory);
  // Writes what is in memory to a table.
  absl::Status Flush();
  uint64_t write_buffer_bytes();
  uint64_t disk_bytes();

 private:
  class ErrorListener;

  Database(const EmbeddedStoreOptions& options, StoreCounters& counters);
  absl::Status CheckRoom(uint64_t min_free_bytes) const;
  // The next three: while nobody else uses the database.
  absl::Status OpenOrSalvage(bool salvage);
  absl::Status OpenRocks();
  absl::Status CheckMeta();
  static absl::Status CheckVersion(absl::string_view record, const std::string& path);

  const EmbeddedStoreOptions options_;
  StoreCounters& counters_;
  const std::shared_ptr<ErrorListener> listener_;
  std::atomic<bool> write_failed_{false};

  Mutex mutex_;
  CondVar changed_;
  int uses_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reopening_ ABSL_GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point last_recovery_ ABSL_GUARDED_BY(mutex_);
  // Changes only while `reopening_`; null when it could not be opened.
  std::unique_ptr<rocksdb::DB> rocks_;
};

}  // namespace pilotlight::collector
