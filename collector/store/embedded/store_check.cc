#include "collector/store/embedded/store_check.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "collector/store/embedded/aggregates.h"
#include "collector/store/embedded/block.h"
#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/database.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/numbered_hashes.h"
#include "collector/store/embedded/open_spans.h"
#include "collector/store/embedded/record.h"
#include "collector/store/embedded/record_scan.h"
#include "collector/store/embedded/rocks_status.h"
#include "collector/store/embedded/salvage.h"
#include "collector/store/embedded/series_table.h"
#include "collector/store/embedded/totals_record.h"
#include "profile/stack_hash.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/write_batch.h"

namespace pilotlight::collector {
namespace {

constexpr size_t kMaxExamples = 20;
constexpr int kMaxPasses = 5;

// What would make a store clean.
struct Plan {
  bool salvage = false;
  std::set<std::string> broken_records;
  std::set<BlockKey> blocks_to_close;
  std::set<SpanKey> spans_to_open;
};

const char* NameOf(RecordKind kind) {
  switch (kind) {
    case RecordKind::kDictionary:
      return "names";
    case RecordKind::kSeries:
      return "series";
    case RecordKind::kWindow:
      return "windows";
    case RecordKind::kTenMinutes:
      return "ten minutes";
    case RecordKind::kHour:
      return "hours";
    case RecordKind::kDay:
      return "days";
    case RecordKind::kStackHashes:
      return "stack hashes";
    case RecordKind::kWindowTotals:
      return "totals";
    case RecordKind::kServiceTenMinutes:
    case RecordKind::kServiceHour:
    case RecordKind::kServiceDay:
      return "service sums";
  }
  return "";
}

// The names of one block.
struct Names {
  SeriesTable series;
  NumberedHashes stacks;
  BlockDictionary dictionary;
  bool closed = false;
};

// What a series has in a span.
struct SeriesTotals {
  uint64_t windows = 0;
  uint64_t count = 0;
  uint64_t value = 0;  // wraps
  uint64_t watched_ns = 0;
  uint64_t first_start_ns = 0;

  friend bool operator==(const SeriesTotals&, const SeriesTotals&) = default;
};
using TotalsBySpan = std::map<std::pair<uint64_t, std::string>, SeriesTotals>;  // by start and identity

class Checker {
 public:
  Checker(rocksdb::DB& rocks, StoreCheck& check, Plan& plan) : rocks_(rocks), check_(check), plan_(plan) {}

  absl::Status Run(const CheckProgress& progress) {
    RETURN_IF_ERROR(ReadTables(progress));
    RETURN_IF_ERROR(ReadLists());
    for (const char space : BlockSpaces()) RETURN_IF_ERROR(ReadSpace(space));
    check_.blocks = blocks_.size();
    // Sums of what is not whole would differ for that reason.
    if (!check_.clean()) return absl::OkStatus();
    return CompareSums();
  }

 private:
  void Add(const std::string& kind, absl::string_view what) {
    ++check_.problems[kind];
    if (check_.examples.size() < kMaxExamples) check_.examples.push_back(absl::StrCat(kind, ": ", what));
  }
  void AddBroken(const std::string& kind, absl::string_view key, absl::string_view what) {
    if (!plan_.broken_records.insert(std::string(key)).second) return;
    Add(kind, absl::StrCat(what, " (key ", absl::BytesToHexString(key), ")"));
  }

  absl::Status ReadTables(const CheckProgress& progress) {
    std::vector<rocksdb::LiveFileMetaData> tables;
    rocks_.GetLiveFilesMetaData(&tables);
    check_.tables = tables.size();
    for (const auto& table : tables) check_.table_bytes += table.size;
    uint64_t done = 0;
    for (const auto& table : tables) {
      const std::string path = absl::StrCat(table.db_path, "/", table.relative_filename);
      rocksdb::SstFileReader reader(rocks_.GetOptions());
      rocksdb::Status read = reader.Open(path);
      if (read.ok()) read = reader.VerifyChecksum();
      if (!read.ok() && !read.IsCorruption()) return ToStatus(read, absl::StrCat("reading ", path));
      if (!read.ok()) {
        plan_.salvage = true;
        Add("table", absl::StrCat(path, ": ", read.ToString()));
      }
      done += table.size;
      if (progress) progress(done, check_.table_bytes);
    }
    return absl::OkStatus();
  }

  // Everything beside the blocks.
  absl::Status ReadLists() {
    RecordScan scan(rocks_, counters_);
    for (scan.Seek(MetaPrefix(), MetaPrefix(), /*finest_step=*/1); scan.Valid(); scan.Next()) {
      ++check_.records["lists"];
      if (!ReadListRecord(scan.key(), scan.value())) {
        plan_.salvage = true;  // which makes the lists from the blocks
        AddBroken("list", scan.key(), "cannot be read");
      }
    }
    return scan.status();
  }

  bool ReadListRecord(absl::string_view key, absl::string_view value) {
    const absl::string_view suffix = key.substr(std::min<size_t>(2, key.size()));
    const std::string prefix(key.substr(0, 2));
    ByteReader reader(value);
    if (key == FormatVersionKey()) {
      reader.Varint();
      return reader.done();
    }
    if (key == NextIdsKey()) {
      reader.VarintUpTo(UINT32_MAX);
      reader.VarintUpTo(UINT32_MAX);
      return reader.done();
    }
    if (prefix == ServicePrefix()) {
      services_.insert(static_cast<uint32_t>(reader.VarintUpTo(UINT32_MAX)));
      return reader.done();
    }
    if (prefix == BootPrefix()) {
      ByteReader name(suffix);
      name.Sized();
      reader.VarintUpTo(UINT32_MAX);
      reader.Varint();
      reader.BigEndian<uint64_t>();
      return name.ok() && reader.done();
    }
    if (prefix == CataloguePrefix()) {
      const auto block = ParseCatalogueKey(suffix);
      if (block) blocks_[*block] = !value.empty();
      return block.has_value();
    }
    if (prefix == AggregatePrefix()) {
      Aggregate aggregate;
      aggregate.labels = absl::StrSplit(suffix, ',', absl::SkipEmpty());
      aggregate.id = static_cast<uint32_t>(reader.VarintUpTo(UINT32_MAX));
      aggregate.since_ns = reader.Varint();
      if (reader.done()) aggregates_.push_back(std::move(aggregate));
      return reader.done();
    }
    if (prefix == OpenSpanPrefix()) {
      const auto span = ParseOpenSpanKey(suffix);
      if (span) open_.insert(*span);
      return span.has_value();
    }
    for (const Level level : {Level::kWindow, Level::kTenMinutes, Level::kHour, Level::kDay}) {
      if (key != HorizonKey(level)) continue;
      horizons_ns_[static_cast<size_t>(level)] = reader.Varint();
      return reader.done();
    }
    return false;
  }

  // All records whose keys begin with this byte; they lie block after block.
  absl::Status ReadSpace(char space) {
    const std::string prefix(1, space);
    RecordScan scan(rocks_, counters_);
    std::optional<BlockKey> current;
    std::unique_ptr<Names> names;
    for (scan.Seek(prefix, prefix, /*finest_step=*/1); scan.Valid(); scan.Next()) {
      const auto block = ParseBlockKey(TierOfSpace(space), scan.suffix().substr(0, kBlockKeyBytes));
      if (!block) {
        AddBroken("record", scan.key(), "its key is too short");
        continue;
      }
      if (block != current) {
        current = block;
        if (blocks_.try_emplace(*block, true).second) {
          plan_.blocks_to_close.insert(*block);
          Add("block", absl::StrCat("of service ", block->service, ", day ", block->day, ", part ",
                                    block->part, " is not in the list"));
        }
        ASSIGN_OR_RETURN(names, ReadNames(*block));
      }
      ReadRecord(space, *block, *names, scan.key(), scan.suffix().substr(kBlockKeyBytes), scan.value());
    }
    return scan.status();
  }

  // Whether each stack's hash is that of its names.
  static bool HashesFit(const Names& names) {
    const BlockDictionary& dictionary = names.dictionary;
    if (names.stacks.size() != dictionary.stack_count()) return false;
    std::vector<uint64_t> hashes(dictionary.node_count(), kRootStackHash);
    for (NodeId node = 1; node < dictionary.node_count(); ++node) {
      hashes[node] =
          HashStack(hashes[dictionary.parent(node)], dictionary.frame_hash(dictionary.frame_of(node)));
    }
    for (uint32_t stack = 0; stack < dictionary.stack_count(); ++stack) {
      const NodeId node = dictionary.node_of(stack);
      if (node == BlockDictionary::kLostNumber || hashes[node] != names.stacks.at(stack)) return false;
    }
    return true;
  }

  absl::StatusOr<std::unique_ptr<Names>> ReadNames(const BlockKey& block) {
    auto names = std::make_unique<Names>();
    names->closed = blocks_.at(block);
    RecordScan scan(rocks_, counters_);
    for (scan.Seek(block, RecordKind::kSeries); scan.Valid(); scan.Next()) {
      ByteReader number(scan.suffix());
      const auto id = number.BigEndian<uint32_t>();
      if (!number.done() || !names->series.AddRecord(id, scan.value()).ok()) {
        AddBroken("record", scan.key(), "no labels of a series");
      }
    }
    bool gap = scan.skipped();
    uint32_t next_chunk = 0;
    for (scan.Seek(block, RecordKind::kDictionary); scan.Valid(); scan.Next()) {
      ByteReader number(scan.suffix());
      const auto chunk = number.BigEndian<uint32_t>();
      gap |= chunk != next_chunk;
      next_chunk = chunk + 1;
      if (!number.done() || !names->dictionary.AddChunk(scan.value()).ok()) {
        AddBroken("record", scan.key(), "no names");
        gap = true;
      }
    }
    gap |= scan.skipped();
    RETURN_IF_ERROR(scan.status());
    names->stacks.Add(kRootStackHash);
    for (scan.Seek(block, RecordKind::kStackHashes); scan.Valid(); scan.Next()) {
      if (AddStackHashes(scan.value(), names->stacks)) continue;
      AddBroken("record", scan.key(), "no hashes of stacks");
      gap = true;
    }
    gap |= scan.skipped() || !HashesFit(*names);
    for (uint32_t id = 0; id < names->series.size(); ++id) gap |= !names->series.identity(id).has_value();
    if (gap && !names->closed && plan_.blocks_to_close.insert(block).second) {
      Add("name", absl::StrCat("block of service ", block.service, ", day ", block.day, ", part ", block.part,
                               " lacks names, and is not closed"));
    }
    RETURN_IF_ERROR(scan.status());
    return names;
  }

  void ReadRecord(char space, const BlockKey& block, const Names& names, absl::string_view key,
                  absl::string_view suffix, absl::string_view value) {
    if (space == SpaceOf(block.tier)) {  // ReadNames() reads them
      const auto kind = suffix.empty() ? RecordKind::kWindow : static_cast<RecordKind>(suffix[0]);
      if (kind != RecordKind::kDictionary && kind != RecordKind::kSeries &&
          kind != RecordKind::kStackHashes) {
        AddBroken("record", key, "of an unknown kind");
      } else {
        ++check_.records[NameOf(kind)];
      }
      return;
    }
    const auto kind = static_cast<RecordKind>(space);
    ++check_.records[NameOf(kind)];
    ByteReader reader(suffix);
    const auto start_ns = reader.BigEndian<uint64_t>();
    const bool good_key = kind == RecordKind::kWindow ? ParseWindowKey(suffix).has_value() : reader.done();
    if (!good_key) return AddBroken("record", key, "its key is none");
    const auto known = [&names](uint32_t id) {
      return id < names.series.size() && names.series.identity(id).has_value();
    };
    if (kind == RecordKind::kWindowTotals) {
      bool all_known = true;
      const bool read = ReadTotalsRecord(
          start_ns, value, [](uint32_t) { return true; },
          [&](uint32_t id, const WindowTotals&) { all_known &= known(id); });
      if (!read) return AddBroken("record", key, "no totals");
      if (!all_known) AddUnknown(block, key, "of a series without labels");
      return;
    }
    const Level level = LevelOf(kind);
    std::vector<SeriesInRecord> all;
    const bool is_service_sum = kind >= RecordKind::kServiceTenMinutes;
    const bool is_right = is_service_sum ? ParseServiceSums(level, start_ns, value, all)
                                         : ParseRecord(level, start_ns, value, all);
    if (!is_right) return AddBroken("record", key, NameOf(kind));
    // Without it, the record that it is the sum of is read.
    if (is_service_sum && !IsSumOf(block, level, start_ns, all)) {
      return AddBroken("sum", key, "not that of the service's label sets");
    }
    for (const SeriesInRecord& series : all) {
      std::vector<Sample> samples;
      if (!DecodeSamples(series, samples)) return AddBroken("record", key, "its columns are broken");
      if (!known(series.id)) return AddUnknown(block, key, "of a series without labels");
      const bool names_known = std::ranges::all_of(samples, [&](const Sample& sample) {
        return sample.node < names.stacks.size() &&
               names.dictionary.node_of(sample.node) != BlockDictionary::kLostNumber;
      });
      if (names_known) continue;
      if (!names.closed) return AddUnknown(block, key, "of stacks without names");
      ++check_.lost_names;
    }
    if (!is_service_sum) days_[static_cast<size_t>(level)].insert({block.service, DayOf(start_ns)});
  }

  bool IsSumOf(const BlockKey& block, Level level, uint64_t start_ns,
               const std::vector<SeriesInRecord>& sums) {
    std::string value;
    const std::string key = TimedKey(block, RecordsOf(level), start_ns);
    std::vector<SeriesInRecord> all;
    if (!rocks_.Get(rocksdb::ReadOptions(), key, &value).ok() || !ParseRecord(level, start_ns, value, all)) {
      return false;
    }
    std::map<uint32_t, const SeriesInRecord*> by_id;
    for (const SeriesInRecord& one : all) by_id[one.id] = &one;
    return std::ranges::all_of(sums, [&by_id](const SeriesInRecord& sum) {
      std::vector<uint32_t> ids = sum.further_ids;
      ids.push_back(sum.id);
      SeriesTotals totals;
      for (const uint32_t id : ids) {
        const auto found = by_id.find(id);
        if (found == by_id.end()) return false;
        AddTo(totals, TotalsOf(*found->second), /*instantaneous=*/false);
      }
      return totals == TotalsOf(sum);
    });
  }

  static SeriesTotals TotalsOf(const SeriesInRecord& series) {
    return {series.span.windows, series.total.count, static_cast<uint64_t>(series.total.value),
            static_cast<uint64_t>(series.span.watched_ns), series.span.first_start_ns};
  }

  void AddUnknown(const BlockKey& block, absl::string_view key, absl::string_view what) {
    plan_.blocks_to_close.insert(block);
    AddBroken("name", key, what);
  }

  absl::Status CompareSums() {
    std::set<uint32_t> services = services_;
    for (const Aggregate& aggregate : aggregates_) services.insert(aggregate.id);
    for (const Level level : kSummedLevels) {
      const auto& sums = days_[static_cast<size_t>(level)];
      const auto& finer = days_[static_cast<size_t>(Finer(level))];
      for (const uint32_t service : services) {
        std::set<uint32_t> days;
        for (const auto* set : {&sums, &finer}) {
          for (const auto& [of, day] : *set) {
            // Aggregates of ten minutes are made from all services.
            if (of == service || (IsAggregateId(service) && level == Level::kTenMinutes)) days.insert(day);
          }
        }
        for (const uint32_t day : days) RETURN_IF_ERROR(CompareDay(level, service, day));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CompareDay(Level level, uint32_t service, uint32_t day) {
    const uint64_t day_ns = uint64_t{day} * kNanosecondsOfDay;
    if (day_ns < horizons_ns_[static_cast<size_t>(level)] ||
        day_ns < horizons_ns_[static_cast<size_t>(Finer(level))]) {
      return absl::OkStatus();
    }
    const auto aggregate = std::ranges::find(aggregates_, service, &Aggregate::id);
    const bool is_aggregate = aggregate != aggregates_.end();
    const bool over_services = is_aggregate && level == Level::kTenMinutes;
    TotalsBySpan sums;
    TotalsBySpan finer;
    bool finer_lost = false;
    RETURN_IF_ERROR(ReadDay(level, level, service, day_ns, nullptr, sums, finer_lost));
    finer_lost = false;
    if (over_services) {
      for (const uint32_t one : services_) {
        RETURN_IF_ERROR(ReadDay(level, level, one, day_ns, &*aggregate, finer, finer_lost));
      }
    } else {
      RETURN_IF_ERROR(ReadDay(Finer(level), level, service, day_ns, nullptr, finer, finer_lost));
    }
    const uint32_t open_as = is_aggregate ? kAllAggregates : service;
    const auto compare = [&](const auto& span, const SeriesTotals& sum, const SeriesTotals& of_finer) {
      const SpanKey key = {level, span.first, open_as};
      if (open_.contains(key) || (is_aggregate && span.first < aggregate->since_ns)) return;
      ++check_.sums_compared;
      if (sum == of_finer) return;
      if (finer_lost && sum.windows >= of_finer.windows) {
        ++check_.lost_finer_sums;
        return;
      }
      if (!plan_.spans_to_open.insert(key).second) return;
      Add("sum", absl::StrCat("of service ", service, ", level ", static_cast<int>(level), ", from ",
                              absl::FormatTime(absl::RFC3339_sec,
                                               absl::FromUnixNanos(static_cast<int64_t>(span.first)),
                                               absl::UTCTimeZone()),
                              ": ", sum.windows, " windows, ", sum.count, " samples; ", of_finer.windows,
                              " and ", of_finer.count, " in its finer records"));
    };
    for (const auto& [span, sum] : sums) {
      const auto found = finer.find(span);
      compare(span, sum, found == finer.end() ? SeriesTotals() : found->second);
    }
    for (const auto& [span, of_finer] : finer) {
      if (!sums.contains(span)) compare(span, SeriesTotals(), of_finer);
    }
    return absl::OkStatus();
  }

  // Adds what the records of `level` that start on a day have, by spans of `summed`; reduced to the labels of
  // an aggregate when there is one. `lost`: some of it may be missing.
  absl::Status ReadDay(Level level, Level summed, uint32_t service, uint64_t day_ns,
                       const Aggregate* aggregate, TotalsBySpan& totals, bool& lost) {
    const BlockKey first_part = FirstPart(level, day_ns, service);
    std::vector<SeriesInRecord> all;
    for (auto block = blocks_.lower_bound(first_part); block != blocks_.end(); ++block) {
      BlockKey of_part = block->first;
      of_part.part = 0;
      if (of_part != first_part) break;
      lost |= block->second;
      ASSIGN_OR_RETURN(const std::unique_ptr<Names> names, ReadNames(block->first));
      RecordScan scan(rocks_, counters_);
      const RecordKind kind = RecordsOf(level);
      for (scan.Seek(block->first, kind, TimedKey(block->first, kind, day_ns)); scan.Valid(); scan.Next()) {
        ByteReader reader(scan.suffix());
        const auto start_ns = reader.BigEndian<uint64_t>();
        if (start_ns >= day_ns + kNanosecondsOfDay) break;
        if (!ParseRecord(level, start_ns, scan.value(), all)) continue;  // it was found above
        for (const SeriesInRecord& series : all) {
          SeriesIdentity identity = *names->series.identity(series.id);
          const bool instantaneous = IsInstantaneous(identity.type);
          if (aggregate != nullptr) {
            if (instantaneous) continue;
            identity.labels = aggregate->Reduce(identity.labels);
          }
          AddTo(totals[{SpanStart(summed, start_ns), EncodeSeriesIdentity(identity)}], TotalsOf(series),
                instantaneous);
        }
      }
      RETURN_IF_ERROR(scan.status());
    }
    return absl::OkStatus();
  }

  // As the sums are made: of an instantaneous type only the newest window counts.
  static void AddTo(SeriesTotals& to, const SeriesTotals& one, bool instantaneous) {
    if (to.windows == 0 || (instantaneous && one.first_start_ns > to.first_start_ns)) {
      to = one;
      return;
    }
    if (instantaneous && one.first_start_ns < to.first_start_ns) return;
    to.windows += one.windows;
    to.count += one.count;
    to.value += one.value;
    to.watched_ns += one.watched_ns;
    to.first_start_ns = std::min(to.first_start_ns, one.first_start_ns);
  }

  rocksdb::DB& rocks_;
  StoreCheck& check_;
  Plan& plan_;
  StoreCounters counters_;
  std::map<BlockKey, bool> blocks_;  // whether it is closed
  std::set<uint32_t> services_;
  std::vector<Aggregate> aggregates_;
  std::set<SpanKey> open_;
  std::array<uint64_t, 4> horizons_ns_ = {};                          // by level
  std::array<std::set<std::pair<uint32_t, uint32_t>>, 4> days_ = {};  // by level: service and day
};

absl::Status CheckInto(const EmbeddedStoreOptions& options, const CheckProgress& progress, StoreCheck& check,
                       Plan& plan) {
  if (SalvageWasCutOff(options.path)) {
    plan.salvage = true;
    ++check.problems["table"];
    check.examples.push_back("table: a salvage of the store was cut off");
    return absl::OkStatus();
  }
  const absl::StatusOr<Database::ReadOnly> opened = Database::OpenReadOnly(options);
  if (absl::IsDataLoss(opened.status())) {
    plan.salvage = true;
    ++check.problems["table"];
    check.examples.push_back(absl::StrCat("table: ", opened.status().message()));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(opened.status());
  return Checker(*opened->rocks, check, plan).Run(progress);
}

absl::Status Apply(const EmbeddedStoreOptions& options, const Plan& plan, StoreRepair& repair) {
  StoreCounters counters;
  rocksdb::WriteBatch batch;
  for (const std::string& key : plan.broken_records) batch.Delete(key);
  for (const BlockKey& block : plan.blocks_to_close) batch.Put(CatalogueKey(block), "closed");
  for (const SpanKey& span : plan.spans_to_open) {
    // What is open at a level is so at the coarser ones, and in the aggregates.
    for (Level level = span.level;; level = Coarser(level)) {
      for (const uint32_t service : {span.service, kAllAggregates}) {
        batch.Put(OpenSpanKey({level, SpanStart(level, span.start_unix_ns), service}), rocksdb::Slice());
      }
      if (level == Level::kDay) break;
    }
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, Database::Open(options, counters, plan.salvage));
  repair.salvaged |= plan.salvage;
  repair.deleted_records += plan.broken_records.size();
  repair.closed_blocks += plan.blocks_to_close.size();
  repair.reopened_spans += plan.spans_to_open.size();
  return database->Write(batch);
}

}  // namespace

absl::StatusOr<StoreCheck> CheckStore(const EmbeddedStoreOptions& options, const CheckProgress& progress) {
  StoreCheck check;
  Plan plan;
  RETURN_IF_ERROR(CheckInto(options, progress, check, plan));
  return check;
}

absl::StatusOr<StoreRepair> RepairStore(const EmbeddedStoreOptions& options, const CheckProgress& progress) {
  StoreRepair repair;
  for (int pass = 0;; ++pass) {
    repair.after = {};
    Plan plan;
    RETURN_IF_ERROR(CheckInto(options, progress, repair.after, plan));
    if (pass == 0) repair.before = repair.after;
    if (repair.after.clean() || pass == kMaxPasses) return repair;
    RETURN_IF_ERROR(Apply(options, plan, repair));
  }
}

}  // namespace pilotlight::collector
