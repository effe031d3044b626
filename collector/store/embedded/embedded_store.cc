#include "collector/store/embedded/embedded_store.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "collector/store/embedded/aggregates.h"
#include "collector/store/embedded/block_cache.h"
#include "collector/store/embedded/catalogue.h"
#include "collector/store/embedded/database.h"
#include "collector/store/embedded/level_filler.h"
#include "collector/store/embedded/merge_cache.h"
#include "collector/store/embedded/open_spans.h"
#include "collector/store/embedded/store_counters.h"
#include "collector/store/embedded/store_memory.h"
#include "collector/store/embedded/store_reader.h"
#include "collector/store/embedded/window_writer.h"
#include "spdlog/spdlog.h"

namespace pilotlight::collector {

namespace {

absl::string_view NameOf(Level level) {
  switch (level) {
    case Level::kWindow:
      return "windows";
    case Level::kTenMinutes:
      return "sums over ten minutes";
    case Level::kHour:
      return "sums over an hour";
    case Level::kDay:
      return "sums over a day";
  }
  return "";
}

absl::Time StartOfDay(uint32_t day) { return absl::UnixEpoch() + absl::Hours(24) * int64_t{day}; }

}  // namespace

EmbeddedStore::EmbeddedStore(const EmbeddedStoreOptions& options)
    : clock_(ClockOf(options)), memory_(options.memory), counters_(std::make_unique<StoreCounters>()) {}

EmbeddedStore::~EmbeddedStore() = default;

const Clock& ClockOf(const EmbeddedStoreOptions& options) {
  static const SystemClock system_clock;
  return options.clock != nullptr ? *options.clock : system_clock;
}

absl::StatusOr<std::unique_ptr<EmbeddedStore>> EmbeddedStore::Open(const EmbeddedStoreOptions& given) {
  EmbeddedStoreOptions options = given;
  if (options.memory == nullptr) options.memory = std::make_shared<StoreMemory>(options);
  // Not make_unique: the constructor is private.
  std::unique_ptr<EmbeddedStore> store(new EmbeddedStore(options));
  const Clock& clock = store->clock_;
  ASSIGN_OR_RETURN(store->database_, Database::Open(options, *store->counters_));
  store->catalogue_ = std::make_unique<Catalogue>();
  store->cache_ = std::make_unique<BlockCache>(options.memory->blocks);
  store->merges_ = std::make_unique<MergeCache>(options.memory->merges);
  store->open_spans_ = std::make_unique<OpenSpans>();
  store->aggregates_ = std::make_unique<Aggregates>(options.aggregates);
  store->reader_ =
      std::make_unique<StoreReader>(*store->database_, *store->catalogue_, *store->open_spans_,
                                    *store->aggregates_, *store->cache_, *store->merges_, *store->counters_);
  ASSIGN_OR_RETURN(store->writer_, WindowWriter::Create(options, clock, *store->database_, *store->catalogue_,
                                                        *store->open_spans_, *store->aggregates_,
                                                        *store->cache_, *store->merges_, *store->counters_));
  store->filler_ =
      std::make_unique<LevelFiller>(clock, *store->database_, *store->catalogue_, *store->open_spans_,
                                    *store->aggregates_, *store->writer_, *store->cache_, *store->counters_);
  return store;
}

absl::StatusOr<AppendOutcome> EmbeddedStore::Append(const Window& window) { return writer_->Append(window); }

absl::StatusOr<MergedProfile> EmbeddedStore::Merge(const StoreSelection& selection,
                                                   const ReadLimits& limits) {
  return reader_->Merge(selection, limits);
}

absl::StatusOr<std::vector<TimeSeries>> EmbeddedStore::SelectSeries(
    const StoreSelection& selection, absl::Duration step, const std::vector<std::string>& group_by,
    const std::function<void(const StackTrie&, std::vector<Sample>&)>& select_samples,
    const ReadLimits& limits) {
  return reader_->SelectSeries(selection, step, group_by, select_samples, limits);
}

absl::StatusOr<std::vector<std::string>> EmbeddedStore::LabelNames(TimeSpan span,
                                                                   const std::vector<Matcher>& matchers,
                                                                   const ReadLimits& limits) {
  std::set<std::string> names;
  RETURN_IF_ERROR(reader_->ForEachSeries(span, matchers, limits, [&names](const SeriesIdentity& series) {
    for (const auto& [name, value] : series.labels) names.insert(name);
  }));
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<std::vector<std::string>> EmbeddedStore::LabelValues(const std::string& name, TimeSpan span,
                                                                    const std::vector<Matcher>& matchers,
                                                                    const ReadLimits& limits) {
  std::set<std::string> values;
  RETURN_IF_ERROR(reader_->ForEachSeries(span, matchers, limits, [&](const SeriesIdentity& series) {
    if (const auto label = series.labels.find(name); label != series.labels.end())
      values.insert(label->second);
  }));
  return std::vector<std::string>(values.begin(), values.end());
}

absl::StatusOr<std::vector<ProfileType>> EmbeddedStore::ProfileTypes(TimeSpan span,
                                                                     const ReadLimits& limits) {
  std::set<ProfileType> types;
  RETURN_IF_ERROR(reader_->ForEachSeries(
      span, {}, limits, [&types](const SeriesIdentity& series) { types.insert(series.type); }));
  return std::vector<ProfileType>(types.begin(), types.end());
}

absl::Status EmbeddedStore::FillLevelsWhile(absl::FunctionRef<bool()> goes_on) {
  return filler_->FillDue(goes_on);
}

void EmbeddedStore::FillBefore(absl::Time time) {
  // What is dropped must be in the sums first. They are made within minutes, so only when the disk has been
  // full since, or cannot be read there, can they be missing here. Neither may keep old records from going.
  if (const absl::Status filled = filler_->FillBefore(time); !filled.ok()) {
    spdlog::error("store: not all sums could be made before their windows go: {}", filled.ToString());
  }
}

absl::Status EmbeddedStore::DropBefore(const LevelTimes& before) {
  FillBefore(before.windows);
  RETURN_IF_ERROR(writer_->DropBefore(Level::kWindow, before.windows));
  RETURN_IF_ERROR(writer_->DropBefore(Level::kTenMinutes, before.ten_minutes));
  RETURN_IF_ERROR(writer_->DropBefore(Level::kHour, before.hours));
  return writer_->DropBefore(Level::kDay, before.days);
}

absl::Status EmbeddedStore::DropToSize(uint64_t max_bytes) {
  if (database_->disk_bytes() <= max_bytes) return absl::OkStatus();
  // What a query was still reading when it was dropped last time.
  RETURN_IF_ERROR(FreeDropped());
  const uint64_t bytes = database_->disk_bytes();
  if (bytes <= max_bytes) return absl::OkStatus();

  const uint32_t today = DayOf(static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixNanos(clock_.Now()))));
  for (const Level level : {Level::kWindow, Level::kTenMinutes, Level::kHour, Level::kDay}) {
    const std::optional<uint32_t> first_day = catalogue_->FirstDay(level);
    if (!first_day) continue;
    const uint32_t end_day = *first_day + DaysOfBlock(TierOf(level));
    if (end_day > today) continue;
    const absl::Time end = StartOfDay(end_day);
    // Finer records are gone by now, but for those of today.
    if (level == Level::kWindow) FillBefore(end);
    RETURN_IF_ERROR(writer_->DropBefore(level, end));
    RETURN_IF_ERROR(FreeDropped());
    ++counters_->size_retentions;
    spdlog::info("store: {} MiB on disk, {} MiB after dropping the {} from before {}", bytes >> 20,
                 database_->disk_bytes() >> 20, std::string(NameOf(level)),
                 absl::FormatTime("%Y-%m-%d", end, absl::UTCTimeZone()));
    return absl::OkStatus();
  }
  spdlog::warn("store: {} MiB on disk, and there is nothing from before today to be dropped", bytes >> 20);
  return absl::OkStatus();
}

absl::Status EmbeddedStore::FreeDropped() {
  for (const char space : BlockSpaces()) {
    const uint32_t end_day = catalogue_->dropped_end_day(space);
    if (end_day > 0) RETURN_IF_ERROR(database_->Compact(DayStart(space, 0), DayStart(space, end_day)));
  }
  return absl::OkStatus();
}

std::vector<Overflow> EmbeddedStore::overflows() const { return counters_->overflow.All(); }

absl::Status EmbeddedStore::CopyTo(const std::string& path) {
  RETURN_IF_ERROR(database_->CheckRoom());
  return database_->Checkpoint(path);
}

uint64_t EmbeddedStore::write_buffer_bytes() { return database_->write_buffer_bytes(); }

absl::Status EmbeddedStore::Flush() { return database_->Flush(); }

absl::Status EmbeddedStore::Compact() { return database_->Compact(); }

EmbeddedStoreCounters EmbeddedStore::counters() const {
  const BlockParts<Block>::Counters blocks = cache_->blocks.counters();
  const BlockParts<BlockNames>::Counters names = cache_->names.counters();
  EmbeddedStoreCounters counters;
  counters.appended_windows = counters_->appended_windows;
  counters.appended_series = counters_->appended_series;
  counters.duplicate_windows = counters_->duplicate_windows;
  counters.missing_windows = counters_->missing_windows;
  counters.refused_windows = counters_->refused_windows;
  counters.failed_writes = counters_->failed_writes;
  counters.commits = counters_->commits;
  counters.corrupt_records = counters_->corrupt_records;
  counters.forgotten_boots = counters_->forgotten_boots;
  counters.summed_spans = counters_->summed_spans;
  counters.unsummed_spans = counters_->unsummed_spans;
  counters.size_retentions = counters_->size_retentions;
  counters.read_bytes = counters_->read_bytes;
  counters.cache_hits = blocks.hits + names.hits;
  counters.cache_misses = blocks.misses + names.misses;
  counters.cache_bytes = blocks.bytes + names.bytes;
  const MergeCache::Counters merges = merges_->counters();
  counters.merge_cache_hits = merges.hits;
  counters.merge_cache_misses = merges.misses;
  counters.merge_cache_bytes = merges.bytes;
  counters.blocks = catalogue_->block_count();
  counters.services = catalogue_->service_count();
  counters.open_spans = open_spans_->size();
  counters.boots = writer_->boot_count();
  counters.disk_bytes = database_->disk_bytes();
  return counters;
}

}  // namespace pilotlight::collector
