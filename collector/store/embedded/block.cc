#include "collector/store/embedded/block.h"

#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/record_scan.h"

namespace pilotlight::collector {

void Block::LoadSeries(rocksdb::DB& rocks, StoreCounters& counters) {
  if (series_loaded_) return;
  series_loaded_ = true;
  RecordScan scan(rocks, counters);
  for (scan.Seek(key, RecordKind::kSeries); scan.Valid(); scan.Next()) {
    ByteReader number(scan.suffix());
    const auto id = number.BigEndian<uint32_t>();
    if (!number.done() || !series.AddRecord(id, scan.value()).ok()) {
      ++counters.corrupt_records;
      damaged = true;
    }
  }
  damaged |= scan.skipped();
}

void Block::LoadDictionary(rocksdb::DB& rocks, StoreCounters& counters) {
  if (dictionary_loaded_) return;
  dictionary_loaded_ = true;
  RecordScan scan(rocks, counters);
  for (scan.Seek(key, RecordKind::kDictionary); scan.Valid(); scan.Next()) {
    ByteReader number(scan.suffix());
    const auto chunk = number.BigEndian<uint32_t>();
    damaged |= chunk != next_chunk;
    if (!number.done() || !dictionary.AddChunk(scan.value()).ok()) {
      ++counters.corrupt_records;
      damaged = true;
    }
    next_chunk = chunk + 1;
  }
  dictionary.ShrinkToFit();
  damaged |= scan.skipped();
}

void Block::StartNew() {
  series_loaded_ = dictionary_loaded_ = true;
  dictionary.MakeWritable();
}

size_t Block::byte_size() const { return sizeof(Block) + series.byte_size() + dictionary.byte_size(); }

}  // namespace pilotlight::collector
