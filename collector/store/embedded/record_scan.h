// Reads the records of a key range in order, over and past corrupt ones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/store_counters.h"
#include "rocksdb/db.h"

namespace pilotlight::collector {

// Sees the database as it was when it was made. When RocksDB meets a table block whose checksum is wrong, it
// cannot say where the next good one begins; the scan finds out by seeking ahead in growing steps and then
// halving. Not thread-safe.
class RecordScan {
 public:
  RecordScan(rocksdb::DB& rocks, StoreCounters& counters);
  ~RecordScan();
  RecordScan(const RecordScan&) = delete;
  RecordScan& operator=(const RecordScan&) = delete;

  // Goes to the first record of `kind` in `block` from `first_key` on.
  void Seek(const BlockKey& block, RecordKind kind, const std::string& first_key);
  void Seek(const BlockKey& block, RecordKind kind) { Seek(block, kind, RecordPrefix(block, kind)); }
  bool Valid() const { return valid_; }
  void Next();
  // The key without the prefix of block and kind. Views live until the next Seek() or Next().
  absl::string_view key() const;
  absl::string_view value() const;

  // True when something was skipped since the last Seek().
  bool skipped() const { return skipped_; }

 private:
  void Settle();
  void SkipCorrupt();
  // False when the position cannot be read.
  bool TrySeek(uint64_t position);
  std::string KeyAt(uint64_t position) const;

  rocksdb::DB& rocks_;
  StoreCounters& counters_;
  const rocksdb::Snapshot* snapshot_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  RecordKind kind_ = RecordKind::kWindow;
  std::string prefix_;
  std::string last_key_;  // where to go on after an error
  bool valid_ = false;
  bool skipped_ = false;
};

}  // namespace pilotlight::collector
