#include "collector/store/embedded/salvage.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/open_spans.h"
#include "collector/store/embedded/record_scan.h"
#include "collector/store/embedded/rocks_status.h"
#include "collector/store/embedded/series_table.h"
#include "rocksdb/sst_file_reader.h"
#include "spdlog/spdlog.h"

namespace pilotlight::collector {
namespace {

std::string LostDirectory(const std::string& path) { return absl::StrCat(path, "/lost"); }

// Stores what is not there, in batches.
class RecordRestorer {
 public:
  explicit RecordRestorer(rocksdb::DB& rocks) : rocks_(rocks) {}

  absl::Status Restore(absl::string_view key, absl::string_view value) {
    std::string present;
    const rocksdb::Status read = rocks_.Get(rocksdb::ReadOptions(), ToSlice(key), &present);
    if (read.ok() && !IsGreater(key, value, present)) return absl::OkStatus();
    return Put(key, value);
  }
  absl::Status Put(absl::string_view key, absl::string_view value) {
    batch_.Put(ToSlice(key), ToSlice(value));
    ++records_;
    return batch_.GetDataSize() < kBatchBytes ? absl::OkStatus() : Write(/*sync=*/false);
  }
  absl::Status Finish() { return Write(/*sync=*/true); }
  uint64_t records() const { return records_; }

 private:
  static constexpr size_t kBatchBytes = size_t{1} << 20;

  static bool IsGreater(absl::string_view key, absl::string_view value, absl::string_view present) {
    const bool is_boot = key.substr(0, BootPrefix().size()) == BootPrefix();
    if (!is_boot && key != NextIdsKey()) return false;
    ByteReader a(value);
    ByteReader b(present);
    const uint64_t first_a = a.Varint();
    const uint64_t first_b = b.Varint();
    const uint64_t second_a = a.Varint();
    const uint64_t second_b = b.Varint();
    // A boot's id never changes and its sequence only grows; both next ids only grow.
    return a.ok() && (!b.ok() || (first_a >= first_b && second_a >= second_b));
  }

  absl::Status Write(bool sync) {
    rocksdb::WriteOptions options;
    options.sync = sync;
    RETURN_IF_ERROR(ToStatus(rocks_.Write(options, &batch_), "storing salvaged records"));
    batch_.Clear();
    return absl::OkStatus();
  }

  rocksdb::DB& rocks_;
  rocksdb::WriteBatch batch_;
  uint64_t records_ = 0;
};

absl::Status RestoreTable(const std::string& table, const rocksdb::Options& options, RecordRestorer& restorer,
                          StoreCounters& counters) {
  rocksdb::SstFileReader reader(options);
  if (const rocksdb::Status opened = reader.Open(table); !opened.ok()) {
    if (!opened.IsCorruption()) return ToStatus(opened, absl::StrCat("reading ", table));
    spdlog::error("store: nothing can be read from {}: {}", table, opened.ToString());
    return absl::OkStatus();
  }
  RecordScan scan([&reader] { return reader.NewIterator(rocksdb::ReadOptions()); }, counters);
  std::vector<std::string> spaces = {MetaPrefix()};
  for (const char space : BlockSpaces()) spaces.emplace_back(1, space);
  for (const std::string& space : spaces) {
    for (scan.Seek(space, space, /*finest_step=*/1); scan.Valid(); scan.Next()) {
      RETURN_IF_ERROR(restorer.Restore(scan.key(), scan.value()));
    }
  }
  return scan.status();
}

// The name that the labels of a block's series agree on; empty when none can be read.
std::string ServiceOf(const BlockKey& block, rocksdb::DB& rocks, StoreCounters& counters) {
  RecordScan scan(rocks, counters);
  for (scan.Seek(block, RecordKind::kSeries); scan.Valid(); scan.Next()) {
    SeriesIdentity identity;
    if (!DecodeSeriesIdentity(scan.value(), identity).ok()) continue;
    const auto label = identity.labels.find(std::string(kServiceLabel));
    if (label != identity.labels.end()) return label->second;
  }
  return {};
}

// The list of blocks and of services is lost where its records were; the blocks themselves tell.
absl::Status RestoreMeta(rocksdb::DB& rocks, RecordRestorer& restorer, StoreCounters& counters) {
  uint32_t next_service = 0;
  RecordScan scan(rocks, counters);
  for (const char space : BlockSpaces()) {
    const std::string prefix(1, space);
    for (std::string first_key = prefix;;) {
      scan.Seek(prefix, first_key, /*finest_step=*/1);
      if (!scan.Valid()) break;
      const auto block = ParseBlockKey(TierOfSpace(space), scan.suffix().substr(0, kBlockKeyBytes));
      if (!block) break;
      // Names at its end may be lost, and new ones must not take their numbers.
      RETURN_IF_ERROR(restorer.Put(CatalogueKey(*block), "closed"));
      first_key = BlockEnd(space, *block);
      if (IsAggregateId(block->service)) continue;
      next_service = std::max(next_service, block->service + 1);
      if (const std::string service = ServiceOf(*block, rocks, counters); !service.empty()) {
        std::string id;
        AppendVarint(id, block->service);
        RETURN_IF_ERROR(restorer.Restore(ServiceKey(service), id));
      }
    }
  }
  RETURN_IF_ERROR(scan.status());
  // Boots' ids in the keys of windows must not come up again; without the record nobody knows the last one.
  constexpr uint32_t kFarAway = 1u << 30;
  std::string ids;
  AppendVarint(ids, next_service);
  AppendVarint(ids, kFarAway);
  std::string present;
  if (!rocks.Get(rocksdb::ReadOptions(), NextIdsKey(), &present).ok()) {
    RETURN_IF_ERROR(restorer.Restore(NextIdsKey(), ids));
  }
  std::string version;
  AppendVarint(version, kFormatVersion);
  return restorer.Restore(FormatVersionKey(), version);
}

// Spans whose sums do not hold all windows are listed, and the list may be lost: what has no sum at all
// shows.
absl::Status RestoreOpenSpans(rocksdb::DB& rocks, RecordRestorer& restorer, StoreCounters& counters) {
  std::array<std::set<std::pair<uint64_t, uint32_t>>, 4> spans;  // by level: where there are records, of whom
  std::set<uint32_t> aggregates;
  RecordScan scan(rocks, counters);
  for (const Level level : {Level::kWindow, Level::kTenMinutes, Level::kHour, Level::kDay}) {
    const std::string prefix(1, SpaceOf(RecordsOf(level)));
    for (scan.Seek(prefix, prefix, /*finest_step=*/1); scan.Valid(); scan.Next()) {
      ByteReader reader(scan.suffix());
      reader.BigEndian<uint32_t>();  // the day
      const auto service = reader.BigEndian<uint32_t>();
      reader.BigEndian<uint16_t>();  // the part
      const auto start_ns = reader.BigEndian<uint64_t>();
      if (!reader.ok()) continue;
      spans[static_cast<size_t>(level)].emplace(start_ns, service);
      if (IsAggregateId(service)) aggregates.insert(service);
    }
  }
  RETURN_IF_ERROR(scan.status());
  for (const Level level : kSummedLevels) {
    const auto& sums = spans[static_cast<size_t>(level)];
    // What is opened at a level is so at the coarser ones.
    std::set<std::pair<uint64_t, uint32_t>> opened;
    for (const auto& [start_ns, service] : spans[static_cast<size_t>(Finer(level))]) {
      const uint64_t span_start_ns = SpanStart(level, start_ns);
      const auto has_sum = [&sums = sums, span_start_ns](uint32_t id) {
        return sums.contains({span_start_ns, id});
      };
      if (!IsAggregateId(service) && !has_sum(service)) opened.emplace(span_start_ns, service);
      // They are open together: one of them may have its sum, another not.
      if (aggregates.empty() || !std::ranges::all_of(aggregates, has_sum)) {
        opened.emplace(span_start_ns, kAllAggregates);
      }
    }
    for (const auto& [start_ns, service] : opened) {
      for (Level open = level;; open = Coarser(open)) {
        RETURN_IF_ERROR(restorer.Put(OpenSpanKey({open, SpanStart(open, start_ns), service}), {}));
        if (open == Level::kDay) break;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool SalvageWasCutOff(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(LostDirectory(path), error);
}

absl::Status RepairTables(const std::string& path, const rocksdb::Options& options) {
  return ToStatus(rocksdb::RepairDB(path, options), absl::StrCat("repairing ", path));
}

absl::Status PutBackLostTables(rocksdb::DB& rocks, const std::string& path, const rocksdb::Options& options,
                               StoreCounters& counters) {
  std::error_code error;
  RecordRestorer restorer(rocks);
  size_t tables = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LostDirectory(path), error)) {
    if (entry.path().extension() != ".sst") continue;
    ++tables;
    RETURN_IF_ERROR(RestoreTable(entry.path().string(), options, restorer, counters));
  }
  RETURN_IF_ERROR(restorer.Finish());
  RETURN_IF_ERROR(RestoreMeta(rocks, restorer, counters));
  RETURN_IF_ERROR(RestoreOpenSpans(rocks, restorer, counters));
  RETURN_IF_ERROR(restorer.Finish());
  std::filesystem::remove_all(LostDirectory(path), error);
  spdlog::warn("store: {} salvaged: {} records of {} corrupt tables were put back", path, restorer.records(),
               tables);
  return absl::OkStatus();
}

}  // namespace pilotlight::collector
