// One query's view of the database: blocks, and the records of the pieces that it is about.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "collector/store/embedded/block_cache.h"
#include "collector/store/embedded/database.h"
#include "collector/store/embedded/range_cover.h"
#include "collector/store/embedded/read_budget.h"
#include "collector/store/embedded/record.h"
#include "collector/store/embedded/record_scan.h"
#include "collector/store/embedded/store_counters.h"
#include "collector/store/embedded/totals_record.h"

namespace pilotlight::collector {

// Sees the database as it was when it was made. A block's lock is held only while labels or names are looked
// up, never while records are read. Not thread-safe.
class BlockScan {
 public:
  // All must outlive it. Without a budget it reads as much as it is asked to; else ForEachRecord() and
  // ForEachTotals() end early, and Choose() chooses nothing, once the budget has ended.
  BlockScan(Database& database, BlockCache& cache, StoreCounters& counters, ReadBudget* budget = nullptr);
  // One more reader, for another thread, of what `other` sees. `other` must outlive it.
  explicit BlockScan(const BlockScan& other);

  // As Database::Use's; the rest REQUIRES that it is OK at first. When the disk could not be read since then,
  // what was visited is not all there is.
  absl::Status status() const;

  // Of what is in the database now. To delete what is not there leaves a trace that each reader must pass by,
  // until it is compacted.
  bool HasRecord(const std::string& key) const;

  // The series of a block that a query is about, by their numbers.
  struct ChosenBlock {
    std::shared_ptr<Block> block;
    std::vector<uint32_t> ids;
    std::vector<bool> chosen;
    // The question takes all label sets of a type together, so that sums over them may answer it.
    bool together = false;
  };
  ChosenBlock Choose(const BlockKey& key, const std::function<bool(const SeriesIdentity&)>& choose);

  // `series` are the chosen ones of the record, which starts at `start_ns`. False: the record is broken, do
  // as if it were not there.
  using Visit = std::function<bool(uint64_t start_ns, const std::vector<const SeriesInRecord*>& series)>;
  // Skips pieces of window totals. Ends early when `visit` sets `*stop`.
  void ForEachRecord(const ChosenBlock& chosen, const std::vector<Piece>& pieces, const Visit& visit,
                     const bool* stop = nullptr);
  // Only the pieces of window totals.
  void ForEachTotals(const ChosenBlock& chosen, const std::vector<Piece>& pieces,
                     const std::function<void(uint32_t id, const WindowTotals& window)>& visit);

  absl::Status MakeWritable(Block& block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(block.mutex) {
    return block.MakeWritable(use_->rocks(), counters_);
  }
  // The hashes of stacks, whatever their numbers are.
  std::vector<uint64_t> HashesOf(Block& block, const std::vector<uint32_t>& stacks);
  // Calls `read` with the names of a block, up to the stack with this number, unless they cannot be read. Not
  // with the block's mutex held.
  void ReadNames(const BlockKey& key, uint32_t last_stack,
                 absl::FunctionRef<void(const BlockDictionary& names)> read);

  // Tells the cache how large the block has become. Not with its mutex held.
  void NoteSize(Block& block);

 private:
  // Of the record that the scan is at.
  bool Spend() const {
    return budget_ == nullptr || budget_->Spend(scan_->key().size() + scan_->value().size());
  }
  // Of what a block has grown by when a part of it was read.
  void SpendLoaded(size_t before, size_t after) const {
    if (budget_ != nullptr && after > before) budget_->Spend(after - before);
  }

  // Visits sums over label sets; returns what is left of the range, where there are none.
  std::vector<TimeRange> ForEachServiceSum(const ChosenBlock& chosen, const Piece& piece, const Visit& visit,
                                           const bool* stop);
  void ForEachRecordIn(const ChosenBlock& chosen, RecordKind kind, const TimeRange& range, const Visit& visit,
                       const bool* stop);

  const std::shared_ptr<Database::Use> use_;
  BlockCache& cache_;
  StoreCounters& counters_;
  ReadBudget* const budget_;
  std::unique_ptr<RecordScan> scan_;
  absl::Status names_status_;
  std::vector<SeriesInRecord> record_;
};

}  // namespace pilotlight::collector
