#include "collector/store/embedded/level_filler.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/status_macros.h"
#include "collector/store/embedded/series_table.h"
#include "collector/store/embedded/stack_sums.h"
#include "collector/store/embedded/totals_record.h"

namespace pilotlight::collector {
namespace {

// Agents send a window when it ends, so by then those of a span that is over have come, but for what waits in
// a spool.
constexpr absl::Duration kGrace = absl::Minutes(1);
// Old windows come close together; summing up after each would be for nothing.
constexpr absl::Duration kQuiet = absl::Seconds(5);
// Sums that go to disk together.
constexpr size_t kSpansAtOnce = 256;
// As many blocks hold what adding names to them needs.
constexpr size_t kHoursAtOnce = 16;
// Samples that may wait to be added up, or as many as have been.
constexpr size_t kWaitingSamples = size_t{1} << 18;
constexpr uint32_t kNewStack = UINT32_MAX;

uint64_t SpanEnd(const SpanKey& span) { return span.start_unix_ns + SpanNanoseconds(span.level); }

// Of an instantaneous type only the newest window counts.
void AddInTime(RecordedSeries&& from, bool is_instantaneous, RecordedSeries& to) {
  if (!is_instantaneous || from.span.first_start_ns == to.span.first_start_ns) {
    Add(std::move(from), to);
  } else if (from.span.first_start_ns > to.span.first_start_ns) {
    to = std::move(from);
  }
}

// Series of a block being summed up, by their numbers.
class SeriesSums {
 public:
  explicit SeriesSums(StackSums& scratch) : scratch_(scratch) {}

  void AddRecorded(const SeriesInRecord& series, bool is_instantaneous) {
    RecordedSeries one{series.id, series.period, series.loss, series.span, {}};
    if (!DecodeSamples(series, one.samples)) return;
    const auto [entry, is_new] = series_.try_emplace(series.id);
    if (is_new) {
      entry->second = std::move(one);
    } else {
      AddInTime(std::move(one), is_instantaneous, entry->second);
    }
  }

  // Added up, in the order of their numbers.
  std::vector<RecordedSeries> Take() {
    std::vector<RecordedSeries> taken;
    taken.reserve(series_.size());
    for (auto& [id, one] : series_) {
      scratch_.Merge(one.samples);
      taken.push_back(std::move(one));
    }
    series_.clear();
    return taken;
  }

 private:
  StackSums& scratch_;
  std::map<uint32_t, RecordedSeries> series_;
};

// The sums over label sets of a block's record; empty when it has one label set of each type, as then the
// record itself says the same. Those of an aggregate's block are sums of everything.
std::string EncodeSumsOfService(uint64_t span_start_ns, const std::vector<RecordedSeries>& series,
                                const std::vector<ProfileType>& types, StackSums& scratch) {
  std::map<ProfileType, ServiceSum> by_type;
  bool has_several = false;
  for (size_t i = 0; i < series.size(); ++i) {
    if (IsInstantaneous(types[i])) continue;
    const auto [entry, is_new] = by_type.try_emplace(types[i]);
    ServiceSum& sum = entry->second;
    sum.ids.push_back(series[i].id);
    if (is_new) {
      sum.sum = series[i];
    } else {
      has_several = true;
      Add(RecordedSeries(series[i]), sum.sum);
    }
  }
  if (!has_several) return {};
  std::vector<ServiceSum> sums;
  sums.reserve(by_type.size());
  for (auto& [type, sum] : by_type) sums.push_back(std::move(sum));
  std::ranges::sort(sums, {}, [](const ServiceSum& sum) { return sum.sum.id; });
  for (ServiceSum& sum : sums) scratch.Merge(sum.sum.samples);
  return EncodeServiceSums(span_start_ns, sums);
}

// By number of series; what cannot be read counts as summable.
std::vector<bool> InstantaneousSeries(const BlockScan::ChosenBlock& chosen) {
  std::vector<bool> instantaneous(chosen.chosen.size());
  const MutexLock lock(chosen.block->mutex);
  for (const uint32_t id : chosen.ids) {
    instantaneous[id] = IsInstantaneous(chosen.block->series.identity(id)->type);
  }
  return instantaneous;
}

}  // namespace

absl::Status LevelFiller::FillDue(absl::FunctionRef<bool()> goes_on) {
  const absl::Time now = clock_.Now();
  const auto over_before = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixNanos(now - kGrace)));
  const auto is_due = [&](const OpenSpans::OpenSpan& span) {
    return SpanEnd(span.key) <= over_before && span.last_touch <= now - kQuiet;
  };
  return Fill(is_due, goes_on);
}

absl::Status LevelFiller::FillBefore(absl::Time time) {
  const auto before = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixNanos(time)));
  const auto is_due = [&](const OpenSpans::OpenSpan& span) { return span.key.start_unix_ns < before; };
  return Fill(is_due, [] { return true; });
}

absl::Status LevelFiller::Fill(const IsDue& is_due, absl::FunctionRef<bool()> goes_on) {
  const MutexLock lock(mutex_);
  absl::Status filled;
  for (const Level level : kSummedLevels) filled.Update(FillLevel(level, is_due, goes_on));
  return filled;
}

bool LevelFiller::FinerAreClosed(const SpanKey& span) const {
  const Level finer = Finer(span.level);
  if (finer == Level::kWindow) return true;
  for (uint64_t start = span.start_unix_ns; start < SpanEnd(span); start += SpanNanoseconds(finer)) {
    if (open_spans_.Contains({finer, start, span.service})) return false;
  }
  return true;
}

absl::Status LevelFiller::FillLevel(Level level, const IsDue& is_due, absl::FunctionRef<bool()> goes_on) {
  const auto find_due = [&](bool of_services, const std::optional<SpanKey>& after) {
    const auto is_wanted = [&](const OpenSpans::OpenSpan& span) {
      return (span.key.service != kAllAggregates) == of_services && is_due(span);
    };
    return open_spans_.Find(level, after, is_wanted, kSpansAtOnce);
  };
  // What cannot be read keeps its own span open, not the others.
  absl::Status filled;
  std::vector<OpenSpans::OpenSpan> due = find_due(/*of_services=*/true, std::nullopt);
  for (; !due.empty() && goes_on(); due = find_due(/*of_services=*/true, due.back().key)) {
    std::vector<OpenSpans::OpenSpan> spans;
    std::ranges::copy_if(due, std::back_inserter(spans),
                         [this](const OpenSpans::OpenSpan& span) { return FinerAreClosed(span.key); });
    if (spans.empty()) continue;
    // What was touched before now must be in the database, for the sums to have it.
    writer_.WaitForAppends();
    RETURN_IF_ERROR(level == Level::kHour ? FillHours(spans, filled) : FillWithinBlocks(spans, filled));
  }
  due = find_due(/*of_services=*/false, std::nullopt);
  for (; !due.empty(); due = find_due(/*of_services=*/false, due.back().key)) {
    writer_.WaitForAppends();
    for (const OpenSpans::OpenSpan& span : due) {
      if (!goes_on()) return filled;
      const bool waits = level == Level::kTenMinutes
                             ? open_spans_.ContainsAnyService(level, span.key.start_unix_ns)
                             : !FinerAreClosed(span.key);
      if (!waits) filled.Update(FillAggregates(span));
    }
  }
  return filled;
}

absl::Status LevelFiller::FillWithinBlocks(const std::vector<OpenSpans::OpenSpan>& spans,
                                           absl::Status& unread) {
  std::vector<Sum> sums;
  std::optional<BlockScan> scan;
  for (const OpenSpans::OpenSpan& span : spans) {
    if (!scan) scan.emplace(database_, cache_, counters_);
    RETURN_IF_ERROR(scan->status());
    Sum& sum = sums.emplace_back();
    sum.span = span;
    const SpanKey& key = span.key;
    for (const BlockKey& block : catalogue_.Parts(FirstPart(key.level, key.start_unix_ns, key.service))) {
      SumWithinBlock(*scan, block, sum);
    }
    if (scan->status().ok()) continue;
    unread.Update(scan->status());
    sums.pop_back();
    scan.reset();
  }
  scan.reset();
  return Write(sums);
}

void LevelFiller::SumWithinBlock(BlockScan& scan, const BlockKey& block, Sum& sum) {
  const SpanKey& key = sum.span.key;
  const Level finer = Finer(key.level);
  const std::vector<Piece> pieces = {{RecordsOf(finer), {key.start_unix_ns, SpanEnd(key)}}};
  const BlockScan::ChosenBlock chosen = scan.Choose(block, [](const SeriesIdentity&) { return true; });
  const std::vector<bool> instantaneous = InstantaneousSeries(chosen);
  SeriesSums sums(scratch_);
  TotalsRecordWriter totals;
  scan.ForEachRecord(chosen, pieces, [&](uint64_t, const std::vector<const SeriesInRecord*>& series) {
    for (const SeriesInRecord* one : series) {
      sums.AddRecorded(*one, instantaneous[one->id]);
      if (finer == Level::kWindow) totals.Add(*one);
    }
    return true;
  });
  const std::vector<RecordedSeries> summed = sums.Take();
  std::vector<ProfileType> types;
  {
    const MutexLock lock(chosen.block->mutex);
    for (const RecordedSeries& one : summed) types.push_back(chosen.block->series.identity(one.id)->type);
  }
  const auto put = [&](RecordKind kind, std::string record, bool is_empty) {
    const std::string record_key = TimedKey(block, kind, key.start_unix_ns);
    if (is_empty) {
      if (scan.HasRecord(record_key)) sum.deletions.push_back(record_key);
    } else {
      sum.records.emplace_back(record_key, std::move(record));
    }
  };
  put(RecordsOf(key.level), EncodeSpanRecord(key.start_unix_ns, summed), summed.empty());
  std::string of_service = EncodeSumsOfService(key.start_unix_ns, summed, types, scratch_);
  const bool is_empty = of_service.empty();
  put(ServiceSumsOf(key.level), std::move(of_service), is_empty);
  if (finer == Level::kWindow) {
    put(RecordKind::kWindowTotals, totals.Encode(key.start_unix_ns), summed.empty());
  }
}

absl::Status LevelFiller::Write(const std::vector<Sum>& sums) {
  std::vector<SpanKey> closing;
  RETURN_IF_ERROR(writer_.Write([&](rocksdb::WriteBatch& batch, std::vector<std::shared_ptr<Block>>&) {
    for (const Sum& sum : sums) {
      if (!open_spans_.Unchanged(sum.span)) continue;
      for (const auto& [key, record] : sum.records) batch.Put(key, record);
      for (const std::string& key : sum.deletions) batch.Delete(key);
      open_spans_.BeginClosing(sum.span.key, batch);
      closing.push_back(sum.span.key);
    }
  }));
  Closed(closing);
  return absl::OkStatus();
}

void LevelFiller::Closed(const std::vector<SpanKey>& spans) {
  for (const SpanKey& span : spans) open_spans_.Close(span);
  counters_.summed_spans += spans.size();
}

absl::StatusOr<std::optional<std::vector<uint32_t>>> LevelFiller::MapStacks(BlockScan& scan, Block& from,
                                                                            const StackSums& sums,
                                                                            Block& into) {
  const std::vector<uint32_t> stacks = sums.Stacks();
  const std::vector<uint64_t> hashes = scan.HashesOf(from, stacks);
  RETURN_IF_ERROR(scan.status());
  std::vector<uint32_t> mapped(sums.size());
  std::vector<size_t> unknown;
  {
    const MutexLock lock(into.mutex);
    const std::vector<uint32_t> known = into.stacks.FindAll(hashes, kNewStack);
    for (size_t i = 0; i < stacks.size(); ++i) {
      mapped[stacks[i]] = known[i];
      if (known[i] == kNewStack) unknown.push_back(i);
    }
  }
  if (unknown.empty()) return mapped;
  {
    const MutexLock lock(into.mutex);
    if (!into.writer) {
      RETURN_IF_ERROR(scan.MakeWritable(into));
      if (into.damaged || into.byte_size() > writer_.max_writer_bytes()) return std::nullopt;
    }
    scan.ReadNames(from.key, stacks.back(), [&](const BlockDictionary& names) ABSL_NO_THREAD_SAFETY_ANALYSIS {
      for (const size_t i : unknown) {
        const NodeId node = names.node_of(stacks[i]);
        // Another block may know what was lost in this one, so its hash stays free.
        mapped[stacks[i]] =
            node == BlockDictionary::kLostNumber
                ? into.FindOrAdd(LostStack(), 1, LostStack().stack_hash(1))
                : into.FindOrAdd(names, node, names.whole() ? hashes[i] : names.stack_hash(node));
      }
    });
  }
  RETURN_IF_ERROR(scan.status());
  scan.NoteSize(into);
  return mapped;
}

absl::StatusOr<LevelFiller::Transferred> LevelFiller::Transfer(Level level, uint64_t start_ns,
                                                               const std::vector<uint32_t>& services,
                                                               uint32_t target, const Rename& rename) {
  ASSIGN_OR_RETURN(WindowWriter::Target into,
                   writer_.FindTarget(FirstPart(level, start_ns, target), /*adds_stacks=*/false));
  ASSIGN_OR_RETURN(std::optional<Transferred> transferred,
                   TransferTo(into, level, start_ns, services, rename));
  if (!transferred) {
    // It could not be added to, so there is a new part.
    ASSIGN_OR_RETURN(into, writer_.FindTarget(FirstPart(level, start_ns, target), /*adds_stacks=*/true));
    ASSIGN_OR_RETURN(transferred, TransferTo(into, level, start_ns, services, rename));
  }
  if (!transferred) return absl::AbortedError("a new part of a block went away");
  return *std::move(transferred);
}

absl::StatusOr<std::optional<LevelFiller::Transferred>> LevelFiller::TransferTo(
    const WindowWriter::Target& target, Level level, uint64_t start_ns, const std::vector<uint32_t>& services,
    const Rename& rename) {
  // A service's ten minutes are summed over services at the same level, its hours from its ten minutes.
  const Level source_level = level == Level::kHour ? Level::kTenMinutes : level;
  const std::vector<Piece> pieces = {
      {RecordsOf(source_level), {start_ns, start_ns + SpanNanoseconds(level)}}};
  Transferred transferred;
  transferred.target = target;
  size_t most_samples = kWaitingSamples;
  Block& into = *target.block;
  BlockScan scan(database_, cache_, counters_);
  RETURN_IF_ERROR(scan.status());
  for (const uint32_t service : services) {
    for (const BlockKey& source : catalogue_.Parts(FirstPart(source_level, start_ns, service))) {
      const BlockScan::ChosenBlock chosen =
          scan.Choose(source, [&rename](const SeriesIdentity& series) { return rename(series).has_value(); });
      if (chosen.ids.empty()) continue;
      const std::vector<bool> instantaneous = InstantaneousSeries(chosen);
      SeriesSums series_sums(scratch_);
      scan.ForEachRecord(chosen, pieces, [&](uint64_t, const std::vector<const SeriesInRecord*>& series) {
        for (const SeriesInRecord* one : series) series_sums.AddRecorded(*one, instantaneous[one->id]);
        return true;
      });
      std::vector<RecordedSeries> summed = series_sums.Take();
      if (summed.empty()) continue;
      scratch_.Clear();
      for (const RecordedSeries& one : summed) scratch_.Add(one.samples);
      ASSIGN_OR_RETURN(const std::optional<std::vector<uint32_t>> mapped,
                       MapStacks(scan, *chosen.block, scratch_, into));
      if (!mapped) return std::nullopt;
      std::vector<std::pair<std::string, SeriesIdentity>> identities;
      {
        const MutexLock lock(chosen.block->mutex);
        for (const RecordedSeries& one : summed) {
          SeriesIdentity identity = *rename(*chosen.block->series.identity(one.id));
          std::string record = EncodeSeriesIdentity(identity);
          identities.emplace_back(std::move(record), std::move(identity));
        }
      }
      for (size_t i = 0; i < summed.size(); ++i) {
        RecordedSeries& one = summed[i];
        for (Sample& sample : one.samples) sample.node = (*mapped)[sample.node];
        transferred.samples += one.samples.size();
        const auto [entry, is_new] = transferred.series.try_emplace(identities[i].first);
        auto& [identity, sum] = entry->second;
        identity = std::move(identities[i].second);
        if (is_new) {
          sum = std::move(one);
        } else {
          AddInTime(std::move(one), IsInstantaneous(identity.type), sum);
        }
      }
      if (transferred.samples > most_samples) {
        transferred.samples = 0;
        for (auto& [record, series] : transferred.series) {
          scratch_.Merge(series.second.samples);
          series.second.samples.shrink_to_fit();
          transferred.samples += series.second.samples.size();
        }
        most_samples = std::max(most_samples, 2 * transferred.samples);
      }
    }
  }
  BlockKey first_part = into.key;
  first_part.part = 0;
  for (const BlockKey& part : catalogue_.Parts(first_part)) {
    for (const RecordKind kind : {RecordsOf(level), ServiceSumsOf(level)}) {
      if (part == into.key && kind == RecordsOf(level)) continue;  // written anew
      std::string key = TimedKey(part, kind, start_ns);
      if (scan.HasRecord(key)) transferred.deletions.push_back(std::move(key));
    }
  }
  RETURN_IF_ERROR(scan.status());
  return transferred;
}

void LevelFiller::PutTransferred(Level level, uint64_t start_ns, Transferred& transferred,
                                 rocksdb::WriteBatch& batch, std::vector<std::shared_ptr<Block>>& blocks) {
  if (transferred.series.empty()) return;
  Block& block = *transferred.target.block;
  if (transferred.target.is_new) writer_.AddBlock(block.key, batch);
  std::vector<RecordedSeries> series;
  std::map<uint32_t, ProfileType> type_of;
  {
    const MutexLock lock(block.mutex);
    for (auto& [record, one] : transferred.series) {
      const SeriesTable::Interned interned = block.series.Intern(record, one.first);
      if (interned.added) batch.Put(NumberedKey(block.key, RecordKind::kSeries, interned.id), record);
      RecordedSeries& recorded = series.emplace_back(std::move(one.second));
      recorded.id = interned.id;
      type_of[interned.id] = one.first.type;
      scratch_.Merge(recorded.samples);
    }
    block.PutNewStacks(batch);
    block.writer.reset();  // there are many such blocks, and new stacks become rare
  }
  std::ranges::sort(series, {}, &RecordedSeries::id);
  for (const std::string& key : transferred.deletions) batch.Delete(key);
  batch.Put(TimedKey(block.key, RecordsOf(level), start_ns), EncodeSpanRecord(start_ns, series));
  std::vector<ProfileType> types;
  types.reserve(series.size());
  for (const RecordedSeries& one : series) types.push_back(type_of.at(one.id));
  if (const std::string sums = EncodeSumsOfService(start_ns, series, types, scratch_); !sums.empty()) {
    batch.Put(TimedKey(block.key, ServiceSumsOf(level), start_ns), sums);
  }
  blocks.push_back(transferred.target.block);
}

absl::Status LevelFiller::FillHours(const std::vector<OpenSpans::OpenSpan>& spans, absl::Status& unread) {
  std::vector<Hour> hours;
  size_t samples = 0;
  for (const OpenSpans::OpenSpan& span : spans) {
    const SpanKey& key = span.key;
    // Of one time, each goes into a block of its own.
    if (!hours.empty() && (hours.size() == kHoursAtOnce || samples > kWaitingSamples ||
                           hours.front().span.key.start_unix_ns != key.start_unix_ns)) {
      RETURN_IF_ERROR(WriteHours(std::exchange(hours, {})));
      samples = 0;
    }
    absl::StatusOr<Transferred> sum =
        Transfer(Level::kHour, key.start_unix_ns, {key.service}, key.service,
                 [](const SeriesIdentity& series) { return std::make_optional(series); });
    unread.Update(sum.status());
    if (!sum.ok()) continue;
    samples += sum->samples;
    hours.push_back({span, *std::move(sum)});
  }
  return WriteHours(std::move(hours));
}

absl::Status LevelFiller::WriteHours(std::vector<Hour> hours) {
  std::vector<SpanKey> closing;
  RETURN_IF_ERROR(writer_.Write([&](rocksdb::WriteBatch& batch, std::vector<std::shared_ptr<Block>>& blocks) {
    for (auto& [span, sum] : hours) {
      if (!open_spans_.Unchanged(span) || !cache_.blocks.Holds(*sum.target.block)) continue;
      PutTransferred(Level::kHour, span.key.start_unix_ns, sum, batch, blocks);
      open_spans_.BeginClosing(span.key, batch);
      closing.push_back(span.key);
    }
  }));
  Closed(closing);
  return absl::OkStatus();
}

absl::Status LevelFiller::FillAggregates(const OpenSpans::OpenSpan& span) {
  const SpanKey& key = span.key;
  struct AggregateSum {
    std::optional<Transferred> transferred;
    Sum within;
  };
  std::vector<AggregateSum> sums;
  for (const Aggregate& aggregate : aggregates_.All()) {
    if (key.start_unix_ns < aggregate.since_ns) continue;
    AggregateSum& sum = sums.emplace_back();
    if (key.level == Level::kDay) {
      sum.within.span = {{key.level, key.start_unix_ns, aggregate.id}, 0, {}};
      BlockScan scan(database_, cache_, counters_);
      RETURN_IF_ERROR(scan.status());
      for (const BlockKey& block : catalogue_.Parts(FirstPart(key.level, key.start_unix_ns, aggregate.id))) {
        SumWithinBlock(scan, block, sum.within);
      }
      RETURN_IF_ERROR(scan.status());
      continue;
    }
    const bool over_services = key.level == Level::kTenMinutes;
    const std::vector<uint32_t> services = over_services
                                               ? catalogue_.Services([](const std::string&) { return true; })
                                               : std::vector<uint32_t>{aggregate.id};
    ASSIGN_OR_RETURN(sum.transferred,
                     Transfer(key.level, key.start_unix_ns, services, aggregate.id,
                              [&](const SeriesIdentity& series) -> std::optional<SeriesIdentity> {
                                if (!over_services) return series;
                                if (IsInstantaneous(series.type)) return std::nullopt;
                                return SeriesIdentity{series.type, aggregate.Reduce(series.labels)};
                              }));
  }
  bool is_closing = false;
  RETURN_IF_ERROR(writer_.Write([&](rocksdb::WriteBatch& batch, std::vector<std::shared_ptr<Block>>& blocks) {
    is_closing = open_spans_.Unchanged(span) && std::ranges::all_of(sums, [&](const AggregateSum& sum) {
                   return !sum.transferred || cache_.blocks.Holds(*sum.transferred->target.block);
                 });
    if (!is_closing) return;
    for (AggregateSum& sum : sums) {
      if (sum.transferred) PutTransferred(key.level, key.start_unix_ns, *sum.transferred, batch, blocks);
      for (const auto& [record_key, record] : sum.within.records) batch.Put(record_key, record);
      for (const std::string& record_key : sum.within.deletions) batch.Delete(record_key);
    }
    open_spans_.BeginClosing(key, batch);
  }));
  if (is_closing) Closed({key});
  return absl::OkStatus();
}

}  // namespace pilotlight::collector
