// Answers questions from the stored windows and their sums.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/store/embedded/aggregates.h"
#include "collector/store/embedded/block_cache.h"
#include "collector/store/embedded/block_scan.h"
#include "collector/store/embedded/catalogue.h"
#include "collector/store/embedded/database.h"
#include "collector/store/embedded/merge_cache.h"
#include "collector/store/embedded/open_spans.h"
#include "collector/store/embedded/range_cover.h"
#include "collector/store/embedded/store_counters.h"
#include "collector/store/profile_store.h"

namespace pilotlight::collector {

// Thread-safe. A query reads one snapshot of the database, block after block.
class StoreReader {
 public:
  // The references must outlive the reader.
  StoreReader(Database& database, const Catalogue& catalogue, const OpenSpans& open_spans,
              const Aggregates& aggregates, BlockCache& cache, MergeCache& merges, StoreCounters& counters)
      : database_(database),
        catalogue_(catalogue),
        open_spans_(open_spans),
        aggregates_(aggregates),
        cache_(cache),
        merges_(merges),
        counters_(counters) {}

  absl::StatusOr<MergedProfile> Merge(const StoreSelection& selection, const ReadLimits& limits);
  absl::StatusOr<std::vector<TimeSeries>> SelectSeries(
      const StoreSelection& selection, absl::Duration step, const std::vector<std::string>& group_by,
      const std::function<void(const StackTrie&, std::vector<Sample>&)>& select_samples,
      const ReadLimits& limits);
  // Calls `visit` for what has a window that starts in the span, once for each block.
  absl::Status ForEachSeries(TimeSpan span, const std::vector<Matcher>& matchers, const ReadLimits& limits,
                             const std::function<void(const SeriesIdentity&)>& visit);

 private:
  using Choose = std::function<bool(const SeriesIdentity&)>;
  struct PlannedBlock {
    BlockKey key;
    std::vector<Piece> pieces;
  };
  struct PlanOptions {
    // Labels that the answer needs; aggregates are not used when it is not set.
    std::optional<std::vector<std::string>> group_by;
    uint64_t step_ns = 0;
    bool totals_only = false;
  };

  // The blocks to read, and what of each. REQUIRES: called before the snapshot is taken; see OpenSpans.
  std::vector<PlannedBlock> Plan(const TimeSpan& span, const std::vector<Matcher>& matchers,
                                 const PlanOptions& options) const;
  void PlanServices(const TimeRange& range, const std::vector<uint32_t>& services, const CoverRules& rules,
                    std::vector<PlannedBlock>& plan) const;
  void AddParts(const std::vector<Piece>& pieces, uint32_t service, std::vector<PlannedBlock>& plan) const;
  // When the newest window of each label set that `choose` takes starts, of those in the plan.
  static std::map<Labels, uint64_t> NewestStarts(BlockScan& scan, const std::vector<PlannedBlock>& plan,
                                                 const Choose& choose);

  Database& database_;
  const Catalogue& catalogue_;
  const OpenSpans& open_spans_;
  const Aggregates& aggregates_;
  BlockCache& cache_;
  MergeCache& merges_;
  StoreCounters& counters_;
};

}  // namespace pilotlight::collector
