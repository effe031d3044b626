#include "collector/store/embedded/block_scan.h"

#include <algorithm>
#include <optional>

#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/rocks_status.h"

namespace pilotlight::collector {
namespace {

bool ReadStart(absl::string_view suffix, uint64_t& start_ns) {
  if (suffix.size() < sizeof(uint64_t)) return false;
  ByteReader reader(suffix.substr(0, sizeof(uint64_t)));
  start_ns = reader.BigEndian<uint64_t>();
  return true;
}

}  // namespace

BlockScan::BlockScan(Database& database, BlockCache& cache, StoreCounters& counters, ReadBudget* budget)
    : use_(std::make_shared<Database::Use>(database)), cache_(cache), counters_(counters), budget_(budget) {
  if (use_->status().ok()) scan_ = std::make_unique<RecordScan>(use_->rocks(), counters);
}

BlockScan::BlockScan(const BlockScan& other)
    : use_(other.use_),
      cache_(other.cache_),
      counters_(other.counters_),
      budget_(other.budget_),
      scan_(std::make_unique<RecordScan>(use_->rocks(), *other.scan_)) {}

absl::Status BlockScan::status() const {
  if (scan_ == nullptr) return use_->status();
  return scan_->status().ok() ? names_status_ : scan_->status();
}

bool BlockScan::HasRecord(const std::string& key) const {
  rocksdb::DB& rocks = use_->rocks();
  rocksdb::PinnableSlice record;
  return !rocks.Get(rocksdb::ReadOptions(), rocks.DefaultColumnFamily(), ToSlice(key), &record).IsNotFound();
}

BlockScan::ChosenBlock BlockScan::Choose(const BlockKey& key,
                                         const std::function<bool(const SeriesIdentity&)>& choose) {
  ChosenBlock chosen;
  if (budget_ != nullptr && !budget_->Check()) return chosen;
  chosen.block = cache_.blocks.Get(key);
  {
    Block& block = *chosen.block;
    const MutexLock lock(block.mutex);
    names_status_.Update(block.LoadSeries(use_->rocks(), counters_));
    chosen.chosen.resize(block.series.size());
    for (uint32_t id = 0; id < block.series.size(); ++id) {
      const std::optional<SeriesIdentity>& identity = block.series.identity(id);
      if (!identity || !choose(*identity)) continue;
      chosen.ids.push_back(id);
      chosen.chosen[id] = true;
    }
  }
  NoteSize(*chosen.block);
  return chosen;
}

void BlockScan::ForEachRecord(const ChosenBlock& chosen, const std::vector<Piece>& pieces, const Visit& visit,
                              const bool* stop) {
  if (!status().ok()) return;  // what refers to names that were not read is not corrupt
  for (const Piece& piece : pieces) {
    if (piece.kind == RecordKind::kWindowTotals) continue;
    if (!chosen.together || piece.kind == RecordKind::kWindow) {
      ForEachRecordIn(chosen, piece.kind, piece.range, visit, stop);
      continue;
    }
    for (const TimeRange& range : ForEachServiceSum(chosen, piece, visit, stop)) {
      ForEachRecordIn(chosen, piece.kind, range, visit, stop);
    }
  }
}

std::vector<TimeRange> BlockScan::ForEachServiceSum(const ChosenBlock& chosen, const Piece& piece,
                                                    const Visit& visit, const bool* stop) {
  const Level level = LevelOf(piece.kind);
  std::vector<TimeRange> left = {piece.range};
  ForEachRecordIn(
      chosen, ServiceSumsOf(level), piece.range,
      [&](uint64_t start_ns, const std::vector<const SeriesInRecord*>& series) {
        if (!visit(start_ns, series)) return false;
        const TimeRange rest = {start_ns + SpanNanoseconds(level), left.back().end_ns};
        left.back().end_ns = start_ns;
        left.push_back(rest);
        return true;
      },
      stop);
  std::erase_if(left, [](const TimeRange& range) { return range.start_ns >= range.end_ns; });
  return left;
}

void BlockScan::ForEachRecordIn(const ChosenBlock& chosen, RecordKind kind, const TimeRange& range,
                                const Visit& visit, const bool* stop) {
  const BlockKey& key = chosen.block->key;
  const Level level = LevelOf(kind);
  const bool is_service_sum = level != Level::kWindow && kind == ServiceSumsOf(level);
  const auto is_known = [&chosen](uint32_t id) { return id < chosen.chosen.size(); };
  std::vector<const SeriesInRecord*> series;
  for (scan_->Seek(key, kind, TimedKey(key, kind, range.start_ns));
       scan_->Valid() && (stop == nullptr || !*stop); scan_->Next()) {
    uint64_t start_ns = 0;
    bool good = ReadStart(scan_->suffix(), start_ns);
    if (good && start_ns >= range.end_ns) break;
    if (!Spend()) return;
    good = good && (is_service_sum ? ParseServiceSums(level, start_ns, scan_->value(), record_)
                                   : ParseRecord(level, start_ns, scan_->value(), record_));
    if (good) {
      series.clear();
      for (const SeriesInRecord& one : record_) {
        if (!is_known(one.id) || !std::ranges::all_of(one.further_ids, is_known)) {
          good = false;  // its labels were lost
        } else if (chosen.chosen[one.id]) {
          series.push_back(&one);
        }
      }
      // A sum that cannot be read as a whole must not hide what it is made of.
      if (!good && is_service_sum) series.clear();
      if (!series.empty()) good &= visit(start_ns, series);
    }
    if (!good) ++counters_.corrupt_records;
  }
}

void BlockScan::ForEachTotals(const ChosenBlock& chosen, const std::vector<Piece>& pieces,
                              const std::function<void(uint32_t id, const WindowTotals& window)>& visit) {
  if (!status().ok()) return;
  const BlockKey& key = chosen.block->key;
  const auto is_wanted = [&chosen](uint32_t id) { return id < chosen.chosen.size() && chosen.chosen[id]; };
  for (const Piece& piece : pieces) {
    if (piece.kind != RecordKind::kWindowTotals) continue;
    const uint64_t first_ns = SpanStart(Level::kTenMinutes, piece.range.start_ns);
    for (scan_->Seek(key, piece.kind, TimedKey(key, piece.kind, first_ns)); scan_->Valid(); scan_->Next()) {
      uint64_t start_ns = 0;
      bool good = ReadStart(scan_->suffix(), start_ns);
      if (good && start_ns >= piece.range.end_ns) break;
      if (!Spend()) return;
      good = good && ReadTotalsRecord(start_ns, scan_->value(), is_wanted,
                                      [&](uint32_t id, const WindowTotals& window) {
                                        const bool is_inside = window.start_ns >= piece.range.start_ns &&
                                                               window.start_ns < piece.range.end_ns;
                                        if (is_inside) visit(id, window);
                                      });
      if (!good) ++counters_.corrupt_records;
    }
  }
}

std::vector<uint64_t> BlockScan::HashesOf(Block& block, const std::vector<uint32_t>& stacks) {
  std::vector<uint64_t> hashes;
  hashes.reserve(stacks.size());
  {
    const MutexLock lock(block.mutex);
    const size_t before = block.byte_size();
    names_status_.Update(block.LoadStacks(use_->rocks(), counters_));
    SpendLoaded(before, block.byte_size());
    for (const uint32_t stack : stacks) hashes.push_back(block.stack_hash(stack));
  }
  NoteSize(block);
  return hashes;
}

void BlockScan::ReadNames(const BlockKey& key, uint32_t last_stack,
                          absl::FunctionRef<void(const BlockDictionary& names)> read) {
  const std::shared_ptr<BlockNames> names = cache_.names.Get(key);
  size_t bytes = 0;
  {
    const MutexLock lock(names->mutex);
    const size_t before = names->dictionary.byte_size();
    // What is missing then is lost, which the dictionary tells.
    if (names->dictionary.stack_count() <= last_stack) {
      names_status_.Update(names->Load(use_->rocks(), counters_).status());
    }
    if (status().ok()) read(names->dictionary);
    bytes = names->dictionary.byte_size();
    SpendLoaded(before, bytes);
  }
  cache_.names.SetSize(key, bytes);
}

void BlockScan::NoteSize(Block& block) {
  size_t bytes = 0;
  {
    const MutexLock lock(block.mutex);
    bytes = block.byte_size();
  }
  cache_.blocks.SetSize(block.key, bytes);
}

}  // namespace pilotlight::collector
