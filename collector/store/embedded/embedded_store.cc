#include "collector/store/embedded/embedded_store.h"

#include <set>
#include <utility>

#include "base/status_macros.h"
#include "collector/store/embedded/aggregates.h"
#include "collector/store/embedded/block_cache.h"
#include "collector/store/embedded/catalogue.h"
#include "collector/store/embedded/database.h"
#include "collector/store/embedded/level_filler.h"
#include "collector/store/embedded/open_spans.h"
#include "collector/store/embedded/store_counters.h"
#include "collector/store/embedded/store_reader.h"
#include "collector/store/embedded/window_writer.h"

namespace pilotlight::collector {

EmbeddedStore::EmbeddedStore() : counters_(std::make_unique<StoreCounters>()) {}

EmbeddedStore::~EmbeddedStore() = default;

absl::StatusOr<std::unique_ptr<EmbeddedStore>> EmbeddedStore::Open(const EmbeddedStoreOptions& options) {
  static const SystemClock system_clock;
  const Clock& clock = options.clock != nullptr ? *options.clock : system_clock;
  // Not make_unique: the constructor is private.
  std::unique_ptr<EmbeddedStore> store(new EmbeddedStore());
  ASSIGN_OR_RETURN(store->database_, Database::Open(options, *store->counters_));
  store->catalogue_ = std::make_unique<Catalogue>();
  store->cache_ = std::make_unique<BlockCache>(options.cache_bytes / 4 * 3, options.cache_bytes / 4);
  store->open_spans_ = std::make_unique<OpenSpans>();
  store->aggregates_ = std::make_unique<Aggregates>(options.aggregates);
  store->reader_ = std::make_unique<StoreReader>(*store->database_, *store->catalogue_, *store->open_spans_,
                                                 *store->aggregates_, *store->cache_, *store->counters_);
  ASSIGN_OR_RETURN(store->writer_, WindowWriter::Create(options, clock, *store->database_, *store->catalogue_,
                                                        *store->open_spans_, *store->aggregates_,
                                                        *store->cache_, *store->counters_));
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

absl::Status EmbeddedStore::FillLevels() { return filler_->FillDue(); }

absl::Status EmbeddedStore::DropBefore(const LevelTimes& before) {
  // What is dropped must be in the sums first. They are made within minutes, so only when the disk has been
  // full since can they be missing here, and then room is needed most.
  if (const absl::Status filled = filler_->FillBefore(before.windows); !absl::IsResourceExhausted(filled)) {
    RETURN_IF_ERROR(filled);
  }
  RETURN_IF_ERROR(writer_->DropBefore(Level::kWindow, before.windows));
  RETURN_IF_ERROR(writer_->DropBefore(Level::kTenMinutes, before.ten_minutes));
  RETURN_IF_ERROR(writer_->DropBefore(Level::kHour, before.hours));
  return writer_->DropBefore(Level::kDay, before.days);
}

std::vector<Overflow> EmbeddedStore::overflows() const { return counters_->overflow.All(); }

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
  counters.read_bytes = counters_->read_bytes;
  counters.cache_hits = blocks.hits + names.hits;
  counters.cache_misses = blocks.misses + names.misses;
  counters.cache_bytes = blocks.bytes + names.bytes;
  counters.blocks = catalogue_->block_count();
  counters.services = catalogue_->service_count();
  counters.open_spans = open_spans_->size();
  counters.boots = writer_->boot_count();
  counters.disk_bytes = database_->disk_bytes();
  return counters;
}

}  // namespace pilotlight::collector
