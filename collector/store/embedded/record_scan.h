// Reads records in order of their keys, over and past corrupt ones.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/store_counters.h"
#include "rocksdb/db.h"

namespace pilotlight::collector {

// When RocksDB meets a table block whose checksum is wrong, it cannot say where the next good one begins; the
// scan finds out by seeking ahead in growing steps and then halving. Not thread-safe.
class RecordScan {
 public:
  using MakeIterator = std::function<rocksdb::Iterator*()>;

  // Sees the database as it is now.
  RecordScan(rocksdb::DB& rocks, StoreCounters& counters);
  // Sees what `other` sees, which was made of the same database.
  RecordScan(rocksdb::DB& rocks, const RecordScan& other);
  // `make_iterator` is called again after each error.
  RecordScan(MakeIterator make_iterator, StoreCounters& counters);

  // Goes to the first record with `prefix` from `first_key` on, which has the prefix. A skip goes by steps of
  // `finest_step` in the number that the sixteen bytes behind the prefix are.
  void Seek(const std::string& prefix, const std::string& first_key, absl::uint128 finest_step);
  // The same for one kind of record in a block.
  void Seek(const BlockKey& block, RecordKind kind, const std::string& first_key);
  void Seek(const BlockKey& block, RecordKind kind) { Seek(block, kind, RecordPrefix(block, kind)); }
  bool Valid() const { return valid_; }
  void Next();
  // Views live until the next Seek() or Next(). suffix() is the key without the prefix.
  absl::string_view key() const;
  absl::string_view suffix() const { return key().substr(prefix_.size()); }
  absl::string_view value() const;

  // True when something was skipped since the last Seek().
  bool skipped() const { return skipped_; }
  // The first error of the disk, which has ended a scan early: what cannot be read now may be whole.
  const absl::Status& status() const { return status_; }

 private:
  void MakeIterators(rocksdb::DB& rocks);
  void Settle();
  void SkipCorrupt();
  void SeekTo(const std::string& key);
  // False when the position is corrupt.
  bool TrySeek(absl::uint128 position);

  std::shared_ptr<const rocksdb::Snapshot> snapshot_;  // outlives the iterator
  MakeIterator make_iterator_;
  StoreCounters& counters_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  absl::uint128 finest_step_ = 1;
  std::string prefix_;
  std::string last_key_;  // where to go on after an error
  bool valid_ = false;
  bool skipped_ = false;
  absl::Status status_;
};

}  // namespace pilotlight::collector
