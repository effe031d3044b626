// Turns windows into batches of records and commits them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "collector/store/embedded/aggregates.h"
#include "collector/store/embedded/block_cache.h"
#include "collector/store/embedded/boot_table.h"
#include "collector/store/embedded/catalogue.h"
#include "collector/store/embedded/database.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/embedded/merge_cache.h"
#include "collector/store/embedded/open_spans.h"
#include "collector/store/embedded/record.h"
#include "collector/store/embedded/stack_sums.h"
#include "collector/store/embedded/store_counters.h"
#include "collector/store/profile_store.h"
#include "rocksdb/write_batch.h"

namespace pilotlight::collector {

// Thread-safe. Windows are encoded one at a time into the open group; whoever comes first when nobody writes
// writes the whole group with one fsync, while the next group fills. So records reach the disk in the order
// in which they were numbered: a window never stands there without the names that it refers to.
//
// When a write fails, all that was encoded since fails with it, and what memory knows of it is read anew
// from disk: blocks, boots, the catalogue. So it is when the database had to be opened again.
class WindowWriter {
 public:
  // The references must outlive the writer.
  static absl::StatusOr<std::unique_ptr<WindowWriter>> Create(const EmbeddedStoreOptions& options,
                                                              const Clock& clock, Database& database,
                                                              Catalogue& catalogue, OpenSpans& open_spans,
                                                              Aggregates& aggregates, BlockCache& cache,
                                                              MergeCache& merges, StoreCounters& counters);

  absl::StatusOr<AppendOutcome> Append(const Window& window);
  // Drops whole blocks' records of a level. From then on, windows that were dropped are refused as
  // InvalidArgument.
  absl::Status DropBefore(Level level, absl::Time before);
  size_t boot_count();
  size_t max_writer_bytes() const { return options_.max_writer_bytes; }

  // A block that records may be added to, for sums; `is_new` when it is not in the catalogue yet.
  struct Target {
    std::shared_ptr<Block> block;
    bool is_new = false;
  };
  // With `adds_stacks`, one that has its writer. Not by who uses the database: it may have to be opened
  // again.
  absl::StatusOr<Target> FindTarget(const BlockKey& first_part, bool adds_stacks);
  // Returns when every window that was appended before is on disk, or has failed to get there.
  void WaitForAppends();
  // Makes what `encode` puts into a batch durable, in turn with the appends; `encode` runs alone, and may put
  // nothing. The blocks that it adds to are to be put into its second argument.
  using Encode = std::function<void(rocksdb::WriteBatch& batch, std::vector<std::shared_ptr<Block>>& blocks)>;
  absl::Status Write(const Encode& encode);
  // Puts a new block into the catalogue and the batch. REQUIRES: within Write().
  void AddBlock(const BlockKey& key, rocksdb::WriteBatch& batch);

 private:
  // What is written in one go.
  struct Group {
    rocksdb::WriteBatch batch;
    std::vector<std::shared_ptr<Block>> blocks;  // held, so that they stay in the cache until it is written
    std::vector<uint64_t> starts_ns;             // of its windows
    uint64_t windows = 0;
    uint64_t series = 0;
    uint64_t missing = 0;
    bool awaited = false;  // someone is in Commit() for it
    bool done = false;
    absl::Status status;
  };
  // One service's share of a window and where it goes.
  struct Share {
    std::string service;
    std::vector<const Series*> series;
    bool service_is_new = false;
    Target target;
    // The number in the target's block of each sample's stack, series by series; kNewStack where it has none.
    std::vector<uint32_t> stacks;
  };
  static constexpr uint32_t kNewStack = UINT32_MAX;

  WindowWriter(const EmbeddedStoreOptions& options, const Clock& clock, Database& database,
               Catalogue& catalogue, OpenSpans& open_spans, Aggregates& aggregates, BlockCache& cache,
               MergeCache& merges, StoreCounters& counters);

  absl::StatusOr<AppendOutcome> AppendValid(const Window& window);
  // Brings the database back if need be, and then what memory knows of it.
  absl::Status Recover() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Reload() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status EncodeWindow(const Window& window) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::vector<Share>> FindShares(rocksdb::DB& rocks, const Window& window, uint64_t start_ns)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `adds_stacks` says whether a block lacks some of those that are to be recorded.
  absl::StatusOr<Target> FindBlock(rocksdb::DB& rocks, const BlockKey& first_part,
                                   absl::FunctionRef<bool(const NumberedHashes& stacks)> adds_stacks)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The series of a share as they go to disk, with what is beyond the service's limits in its overflow
  // bucket.
  std::vector<RecordedSeries> RecordShare(rocksdb::DB& rocks, const Share& share, const StackTable& stacks)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How many stacks earlier parts of the block have.
  size_t EarlierStacks(rocksdb::DB& rocks, const BlockKey& part) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How many label sets the windows of a day have.
  size_t& SeriesOf(rocksdb::DB& rocks, uint32_t day) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutNextIds() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits until `group`, which the caller holds, is on disk, and writes it when it is this caller's turn.
  absl::Status Commit(Group& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(Group& group, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const EmbeddedStoreOptions options_;
  const Clock& clock_;
  Database& database_;
  Catalogue& catalogue_;
  OpenSpans& open_spans_;
  Aggregates& aggregates_;
  BlockCache& cache_;
  MergeCache& merges_;
  StoreCounters& counters_;

  Mutex drop_mutex_;  // one DropBefore() at a time; taken before mutex_
  Mutex mutex_;       // taken before a block's
  CondVar committed_;
  BootTable boots_ ABSL_GUARDED_BY(mutex_);
  StackSums sums_ ABSL_GUARDED_BY(mutex_);                            // of one call
  std::map<uint32_t, size_t> series_of_day_ ABSL_GUARDED_BY(mutex_);  // for max_series, of the newest days
  uint32_t next_service_id_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t next_boot_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<Group> open_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Group> in_write_ ABSL_GUARDED_BY(mutex_);  // null when nobody writes
  bool needs_reload_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace pilotlight::collector
