// A ProfileStore in one directory: RocksDB with blocks of one service and some days, at several levels of
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "collector/store/embedded/overflow_counts.h"
#include "collector/store/profile_store.h"

namespace rocksdb {
class Env;
}

namespace pilotlight::collector {

struct StoreMemory;

// The defaults keep the store's memory near 160 MB: the four sizes and RocksDB's own tables.
struct EmbeddedStoreOptions {
  std::string path;  // made when it is not there
  // Kept by last use: three quarters for what adding to blocks needs, a quarter for names that queries and
  // sums have read. Blocks of appends under way stay beyond it. When the blocks of a day that services add to
  // do not fit, each window reads them anew.
  size_t cache_bytes = size_t{64} << 20;
  size_t merge_cache_bytes = size_t{32} << 20;  // answers to questions that may be asked again; 0 keeps none
  size_t block_cache_bytes = size_t{16} << 20;  // RocksDB's: pieces of tables as read from disk
  size_t write_buffer_bytes = size_t{8} << 20;  // RocksDB's: there are at most three
  // What adding to a block may need in memory; beyond it, the block goes on in a new part.
  size_t max_writer_bytes = size_t{16} << 20;
  // Appends are refused while the file system has less room, so that RocksDB can always finish its work.
  uint64_t min_free_bytes = uint64_t{128} << 20;
  // Agents' boots not heard of for so long are forgotten; a window sent again later would count twice.
  absl::Duration boot_memory = absl::Hours(24 * 7);
  size_t max_boots = 100000;     // when there are more, the ones not heard of for longest are forgotten
  size_t max_services = 100000;  // a window with one more is InvalidArgument
  // Distinct ones of a service on a day, near enough. Samples of further stacks are counted at
  // kOverflowStack, those of further label sets under the service's name and kOverflowLabel="true".
  size_t max_stacks_per_service = 100000;
  size_t max_series_per_service = 20000;
  // Of all services together, on a day; 0 is no limit. Those of kOverflowLabel are not counted.
  size_t max_series = 0;
  // Labels of each sum over services that is kept; none are the sum of everything, which comes with any
  // other. What is added to a store that has windows begins with the next day.
  std::vector<std::vector<std::string>> aggregates = {{"namespace"}};
  const Clock* clock = nullptr;  // the system's when null; must outlive the store
  // After errors of the disk, between two attempts to open the store anew; each may take seconds.
  absl::Duration recovery_pause = absl::Seconds(1);
  // Shared with other stores; of its own when null. The four sizes above are its.
  std::shared_ptr<StoreMemory> memory;
  int max_open_files = 128;     // tables
  rocksdb::Env* env = nullptr;  // what RocksDB works on; the system's when null; must outlive the store
};

inline constexpr absl::string_view kOverflowStack = "[other: too many distinct stacks]";

// Since the store was opened, but for the last seven, which are as of now.
struct EmbeddedStoreCounters {
  uint64_t appended_windows = 0;
  uint64_t appended_series = 0;
  uint64_t duplicate_windows = 0;  // answered with kAlreadyThere
  uint64_t missing_windows = 0;    // gaps in the agents' sequences: lost before they came here
  uint64_t refused_windows = 0;    // no room, or can never be stored
  uint64_t failed_writes = 0;      // of commits; one holds the windows of all who waited for it
  uint64_t commits = 0;            // each is one fsync
  uint64_t corrupt_records = 0;    // skipped, counted each time that they are met; a run of them counts once
  uint64_t forgotten_boots = 0;
  uint64_t summed_spans = 0;     // sums of spans of time that were made
  uint64_t size_retentions = 0;  // drops by DropToSize()
  uint64_t unsummed_spans = 0;   // of ten minutes, dropped without a sum: the disk was full
  uint64_t read_bytes = 0;       // of records and names, for questions
  uint64_t cache_hits = 0;
  uint64_t cache_misses = 0;
  uint64_t merge_cache_hits = 0;
  uint64_t merge_cache_misses = 0;
  uint64_t cache_bytes = 0;
  uint64_t merge_cache_bytes = 0;
  uint64_t blocks = 0;
  uint64_t services = 0;
  uint64_t boots = 0;
  uint64_t open_spans = 0;  // whose sum lacks windows, so that queries read finer records
  uint64_t disk_bytes = 0;  // tables and write-ahead log
};

struct StoreCounters;
class Aggregates;
struct BlockCache;
class Catalogue;
class Database;
class LevelFiller;
class MergeCache;
class OpenSpans;
class StoreReader;
class WindowWriter;

// Thread-safe. Appends that come together share one fsync of the write-ahead log, and each returns after
// it: a window that was acknowledged survives the crash of the process and of the machine, whole, and with
// it the sequence number that keeps it from being stored twice.
//
// Disk full: appends are ResourceExhausted and queries go on; it recovers by itself once there is room.
// Corrupt records: they are skipped and counted. Where names were lost, their samples stay in the totals.
class EmbeddedStore : public ProfileStore {
 public:
  // FailedPrecondition: another process has it open, or it was written by a newer version, or it is
  // something else's; PermissionDenied or the like when the path cannot be written. Each says what to do.
  static absl::StatusOr<std::unique_ptr<EmbeddedStore>> Open(const EmbeddedStoreOptions& options);
  ~EmbeddedStore() override;

  absl::StatusOr<AppendOutcome> Append(const Window& window) override;
  absl::StatusOr<MergedProfile> Merge(const StoreSelection& selection, const ReadLimits& limits) override;
  absl::StatusOr<std::vector<TimeSeries>> SelectSeries(
      const StoreSelection& selection, absl::Duration step, const std::vector<std::string>& group_by,
      const std::function<void(const StackTrie&, std::vector<Sample>&)>& select_samples,
      const ReadLimits& limits) override;
  absl::StatusOr<std::vector<std::string>> LabelNames(TimeSpan span, const std::vector<Matcher>& matchers,
                                                      const ReadLimits& limits) override;
  absl::StatusOr<std::vector<std::string>> LabelValues(const std::string& name, TimeSpan span,
                                                       const std::vector<Matcher>& matchers,
                                                       const ReadLimits& limits) override;
  absl::StatusOr<std::vector<ProfileType>> ProfileTypes(TimeSpan span, const ReadLimits& limits) override;
  absl::Status FillLevelsWhile(absl::FunctionRef<bool()> goes_on) override;
  absl::Status DropBefore(const LevelTimes& before) override;
  absl::Status DropToSize(uint64_t max_bytes) override;

  // Makes `path`, which is absolute, a store with all that was appended before. Tables are hard links, so it
  // costs next to nothing at first, and keeps the space of what this store drops later. ResourceExhausted
  // when the disk is full.
  absl::Status CopyTo(const std::string& path);
  // Memory of windows that are in the log and not in tables yet; and its end.
  uint64_t write_buffer_bytes();
  absl::Status Flush();

  EmbeddedStoreCounters counters() const;
  // By service and limit, since the store was opened; of the first hundred services.
  std::vector<Overflow> overflows() const;
  // Writes what is in memory to tables and merges them; for tools and tests, it is never needed.
  absl::Status Compact();

 private:
  explicit EmbeddedStore(const EmbeddedStoreOptions& options);

  void FillBefore(absl::Time time);
  // Gives the room of what was dropped back to the file system.
  absl::Status FreeDropped();

  const Clock& clock_;
  const std::shared_ptr<StoreMemory> memory_;
  std::unique_ptr<StoreCounters> counters_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Catalogue> catalogue_;
  std::unique_ptr<OpenSpans> open_spans_;
  std::unique_ptr<Aggregates> aggregates_;
  std::unique_ptr<BlockCache> cache_;
  std::unique_ptr<MergeCache> merges_;
  std::unique_ptr<StoreReader> reader_;
  std::unique_ptr<WindowWriter> writer_;
  std::unique_ptr<LevelFiller> filler_;
};

// The options' clock, or the system's.
const Clock& ClockOf(const EmbeddedStoreOptions& options);

}  // namespace pilotlight::collector
