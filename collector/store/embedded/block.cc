#include "collector/store/embedded/block.h"

#include <string>

#include "base/status_macros.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/record_scan.h"
#include "profile/stack_hash.h"

namespace pilotlight::collector {
namespace {

// Calls add(number, value) for each numbered record of a kind; it returns whether the record is right. False
// when one was not, or was corrupt; an error when the disk could not be read.
template <typename Add>
absl::StatusOr<bool> ForEachNumbered(rocksdb::DB& rocks, StoreCounters& counters, const BlockKey& key,
                                     RecordKind kind, uint32_t first, const Add& add) {
  bool good = true;
  RecordScan scan(rocks, counters);
  for (scan.Seek(key, kind, NumberedKey(key, kind, first)); scan.Valid(); scan.Next()) {
    ByteReader reader(scan.suffix());
    const auto number = reader.BigEndian<uint32_t>();
    if (reader.done() && add(number, scan.value())) continue;
    ++counters.corrupt_records;
    good = false;
  }
  RETURN_IF_ERROR(scan.status());
  return good && !scan.skipped();
}

}  // namespace

bool AddStackHashes(absl::string_view record, NumberedHashes& stacks) {
  ByteReader reader(record);
  const uint64_t first = reader.VarintUpTo(BlockDictionary::kMaxEntries);
  const size_t count = reader.Count(sizeof(uint64_t));
  if (!reader.ok() || reader.remaining() != count * sizeof(uint64_t)) return false;
  if (first < stacks.size() || first + count > BlockDictionary::kMaxEntries) return false;
  while (stacks.size() < first) stacks.Add(LostStack().stack_hash(1));
  for (size_t i = 0; i < count; ++i) stacks.Add(reader.BigEndian<uint64_t>());
  return true;
}

absl::Status Block::LoadSeries(rocksdb::DB& rocks, StoreCounters& counters) {
  if (series_loaded_) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const bool good,
      ForEachNumbered(rocks, counters, key, RecordKind::kSeries, static_cast<uint32_t>(series.size()),
                      [this](uint32_t id, absl::string_view record)
                          ABSL_NO_THREAD_SAFETY_ANALYSIS { return series.AddRecord(id, record).ok(); }));
  damaged |= !good;
  series_loaded_ = true;
  return absl::OkStatus();
}

absl::Status Block::LoadStacks(rocksdb::DB& rocks, StoreCounters& counters) {
  if (stacks_loaded_) return absl::OkStatus();
  if (stacks.size() == 0) stacks.Add(kRootStackHash);
  ASSIGN_OR_RETURN(
      const bool good,
      ForEachNumbered(rocks, counters, key, RecordKind::kStackHashes, next_chunk_,
                      [this](uint32_t chunk, absl::string_view record) ABSL_NO_THREAD_SAFETY_ANALYSIS {
                        damaged |= chunk != next_chunk_;
                        next_chunk_ = chunk + 1;
                        const bool added = AddStackHashes(record, stacks);
                        damaged |= !added;
                        return added;
                      }));
  damaged |= !good;
  written_stacks_ = stacks.size();
  stacks_loaded_ = true;
  return absl::OkStatus();
}

absl::Status Block::MakeWritable(rocksdb::DB& rocks, StoreCounters& counters) {
  if (writer) return absl::OkStatus();
  RETURN_IF_ERROR(LoadSeries(rocks, counters));
  RETURN_IF_ERROR(LoadStacks(rocks, counters));
  BlockNames names(key);
  const MutexLock lock(names.mutex);
  ASSIGN_OR_RETURN(const bool all_there, names.Load(rocks, counters));
  damaged |= !all_there || names.dictionary.stack_count() != stacks.size();
  if (damaged) return absl::OkStatus();
  stacks.MakeSearchable();
  writer.emplace(names.dictionary);
  return absl::OkStatus();
}

void Block::StartNew() {
  series_loaded_ = stacks_loaded_ = true;
  stacks.Add(kRootStackHash);
  stacks.MakeSearchable();
  written_stacks_ = stacks.size();
  writer.emplace(BlockDictionary());
}

uint64_t Block::stack_hash(uint32_t number) const {
  return number < stacks.size() ? stacks.at(number) : LostStack().stack_hash(1);
}

void Block::PutNewStacks(rocksdb::WriteBatch& batch) {
  if (written_stacks_ == stacks.size()) return;
  std::string hashes;
  AppendVarint(hashes, written_stacks_);
  AppendVarint(hashes, stacks.size() - written_stacks_);
  for (size_t i = written_stacks_; i < stacks.size(); ++i) {
    AppendBigEndian(hashes, stacks.at(static_cast<uint32_t>(i)));
  }
  written_stacks_ = stacks.size();
  batch.Put(NumberedKey(key, RecordKind::kStackHashes, next_chunk_), hashes);
  batch.Put(NumberedKey(key, RecordKind::kDictionary, next_chunk_), writer->TakeChunk());
  ++next_chunk_;
}

size_t Block::byte_size() const {
  return sizeof(Block) + series.byte_size() + stacks.byte_size() + (writer ? writer->byte_size() : 0);
}

absl::StatusOr<bool> BlockNames::Load(rocksdb::DB& rocks, StoreCounters& counters) {
  bool in_order = true;
  ASSIGN_OR_RETURN(const bool good, ForEachNumbered(rocks, counters, key, RecordKind::kDictionary, next_chunk,
                                                    [&](uint32_t chunk, absl::string_view record)
                                                        ABSL_NO_THREAD_SAFETY_ANALYSIS {
                                                          in_order &= chunk == next_chunk;
                                                          next_chunk = chunk + 1;
                                                          return dictionary.AddChunk(record).ok();
                                                        }));
  dictionary.ShrinkToFit();
  return good && in_order;
}

}  // namespace pilotlight::collector
