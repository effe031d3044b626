// Sums windows up into the coarser levels of time, and over services into the aggregates.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "collector/store/embedded/aggregates.h"
#include "collector/store/embedded/block_scan.h"
#include "collector/store/embedded/catalogue.h"
#include "collector/store/embedded/open_spans.h"
#include "collector/store/embedded/stack_sums.h"
#include "collector/store/embedded/window_writer.h"
#include "rocksdb/write_batch.h"

namespace pilotlight::collector {

// A span is due when it is over and no window has come to it for a while. Its sum is made from the records of
// the next finer level: of a service's ten minutes and days within their block, of its hours from a day's
// block into a month's. Windows that come later open the span again and the sum is made anew. The aggregates
// of a span of ten minutes are made when all services have theirs. Thread-safe.
class LevelFiller {
 public:
  // The references must outlive it.
  LevelFiller(const Clock& clock, Database& database, const Catalogue& catalogue, OpenSpans& open_spans,
              const Aggregates& aggregates, WindowWriter& writer, BlockCache& cache, StoreCounters& counters)
      : clock_(clock),
        database_(database),
        catalogue_(catalogue),
        open_spans_(open_spans),
        aggregates_(aggregates),
        writer_(writer),
        cache_(cache),
        counters_(counters) {}

  // For as long as it `goes_on`.
  absl::Status FillDue(absl::FunctionRef<bool()> goes_on);
  // Also what is not due, of spans that start earlier: its windows are about to be dropped.
  absl::Status FillBefore(absl::Time time);

 private:
  using IsDue = std::function<bool(const OpenSpans::OpenSpan&)>;
  using Rename = std::function<std::optional<SeriesIdentity>(const SeriesIdentity&)>;
  // What a span's sum puts into the batch. Nothing when a window has come to the span meanwhile.
  struct Sum {
    OpenSpans::OpenSpan span;
    std::vector<std::pair<std::string, std::string>> records;
    std::vector<std::string> deletions;
  };
  // A sum in a block with other names than those that it is made from.
  struct Transferred {
    WindowWriter::Target target;
    // By the record that tells the series' identity.
    std::map<std::string, std::pair<SeriesIdentity, RecordedSeries>> series;
    size_t samples = 0;
    std::vector<std::string> deletions;  // of the span's earlier sum
  };

  absl::Status Fill(const IsDue& is_due, absl::FunctionRef<bool()> goes_on);
  absl::Status FillLevel(Level level, const IsDue& is_due, absl::FunctionRef<bool()> goes_on);
  bool FinerAreClosed(const SpanKey& span) const;

  // Each returns the error of a write, after which the rest is not tried, and puts that of a read into
  // `unread`, after which it is. Sums that need no new names:
  absl::Status FillWithinBlocks(const std::vector<OpenSpans::OpenSpan>& spans, absl::Status& unread);
  void SumWithinBlock(BlockScan& scan, const BlockKey& block, Sum& sum);
  absl::Status Write(const std::vector<Sum>& sums);
  void Closed(const std::vector<SpanKey>& spans);

  struct Hour {
    OpenSpans::OpenSpan span;
    Transferred sum;
  };
  absl::Status FillHours(const std::vector<OpenSpans::OpenSpan>& spans, absl::Status& unread);
  absl::Status WriteHours(std::vector<Hour> hours);
  absl::Status FillAggregates(const OpenSpans::OpenSpan& span);
  // Sums the records of the level below `level` in the span, of blocks of `services`, into a block of
  // `target`.
  absl::StatusOr<Transferred> Transfer(Level level, uint64_t start_ns, const std::vector<uint32_t>& services,
                                       uint32_t target, const Rename& rename);
  // Nothing when the block cannot be added to.
  absl::StatusOr<std::optional<Transferred>> TransferTo(const WindowWriter::Target& target, Level level,
                                                        uint64_t start_ns,
                                                        const std::vector<uint32_t>& services,
                                                        const Rename& rename);
  // The number in `into` of each stack that was added to `sums`, by its number in `from`; nothing when `into`
  // cannot be added to.
  absl::StatusOr<std::optional<std::vector<uint32_t>>> MapStacks(BlockScan& scan, Block& from,
                                                                 const StackSums& sums, Block& into);
  void PutTransferred(Level level, uint64_t start_ns, Transferred& transferred, rocksdb::WriteBatch& batch,
                      std::vector<std::shared_ptr<Block>>& blocks);

  const Clock& clock_;
  Database& database_;
  const Catalogue& catalogue_;
  OpenSpans& open_spans_;
  const Aggregates& aggregates_;
  WindowWriter& writer_;
  BlockCache& cache_;
  StoreCounters& counters_;
  Mutex mutex_;        // one at a time
  StackSums scratch_;  // of one call
};

}  // namespace pilotlight::collector
