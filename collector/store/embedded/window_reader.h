// Answers questions from the stored windows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/store/embedded/block_cache.h"
#include "collector/store/embedded/catalogue.h"
#include "collector/store/embedded/database.h"
#include "collector/store/embedded/record_scan.h"
#include "collector/store/embedded/store_counters.h"
#include "collector/store/embedded/window_record.h"
#include "collector/store/profile_store.h"

namespace pilotlight::collector {

// Thread-safe. A query reads one snapshot of the database, block after block; it holds a block's lock only
// while it looks up labels or names, never while it reads windows.
class WindowReader {
 public:
  // The references must outlive the reader.
  WindowReader(Database& database, const Catalogue& catalogue, BlockCache& cache, StoreCounters& counters)
      : database_(database), catalogue_(catalogue), cache_(cache), counters_(counters) {}

  absl::StatusOr<MergedProfile> Merge(const StoreSelection& selection);
  absl::StatusOr<std::vector<TimeSeries>> SelectSeries(
      const StoreSelection& selection, absl::Duration step, const std::vector<std::string>& group_by,
      const std::function<void(const StackTrie&, std::vector<Sample>&)>& select_samples);
  // Calls `visit` for what has a window that starts in the span, once for each block.
  absl::Status ForEachSeries(TimeSpan span, const std::vector<Matcher>& matchers,
                             const std::function<void(const SeriesIdentity&)>& visit);

 private:
  struct Range {
    uint64_t start_ns = 0;  // inclusive
    uint64_t end_ns = 0;    // exclusive
  };
  // The series of a block that a query is about, by their numbers.
  struct ChosenBlock {
    std::shared_ptr<Block> block;
    std::vector<uint32_t> ids;
    std::vector<bool> chosen;
  };
  using Choose = std::function<bool(const SeriesIdentity&)>;
  // `series` are the chosen ones of the window. False: its record is broken, do as if it were not there.
  using Visit = std::function<bool(uint64_t start_ns, const WindowRecord& window,
                                   const std::vector<const SeriesInRecord*>& series)>;

  static Range RangeOf(TimeSpan span);
  // Blocks that overlap the range and whose service can match.
  std::vector<BlockKey> FindBlocks(const Range& range, const std::vector<Matcher>& matchers) const;
  ChosenBlock ChooseSeries(rocksdb::DB& rocks, const BlockKey& key, const Choose& choose);
  // Ends early when `visit` sets `*stop`.
  void ForEachWindow(RecordScan& scan, const ChosenBlock& chosen, const Range& range, const Visit& visit,
                     const bool* stop = nullptr);
  // When the newest window of each label set that `choose` takes starts, of those in the range.
  std::map<Labels, uint64_t> NewestStarts(rocksdb::DB& rocks, RecordScan& scan,
                                          const std::vector<BlockKey>& keys, const Range& range,
                                          const Choose& choose);
  void NoteSize(Block& block);

  Database& database_;
  const Catalogue& catalogue_;
  BlockCache& cache_;
  StoreCounters& counters_;
};

}  // namespace pilotlight::collector
