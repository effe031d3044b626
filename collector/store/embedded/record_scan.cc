#include "collector/store/embedded/record_scan.h"

#include <limits>

#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/database.h"

namespace pilotlight::collector {
namespace {

// Positions are the first eight bytes behind the prefix: a window's start in ns, or a number in the upper
// half. The steps are the finest that a skip tells apart.
uint64_t FinestStep(RecordKind kind) {
  return kind == RecordKind::kWindow ? uint64_t{1000} : uint64_t{1} << 32;
}

uint64_t PositionOf(absl::string_view suffix) {
  std::string padded(suffix.substr(0, sizeof(uint64_t)));
  padded.resize(sizeof(uint64_t));
  return ByteReader(padded).BigEndian<uint64_t>();
}

}  // namespace

RecordScan::RecordScan(rocksdb::DB& rocks, StoreCounters& counters)
    : rocks_(rocks), counters_(counters), snapshot_(rocks.GetSnapshot()) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot_;
  iterator_.reset(rocks_.NewIterator(options));
}

RecordScan::~RecordScan() {
  iterator_.reset();
  rocks_.ReleaseSnapshot(snapshot_);
}

void RecordScan::Seek(const BlockKey& block, RecordKind kind, const std::string& first_key) {
  kind_ = kind;
  prefix_ = RecordPrefix(block, kind);
  last_key_ = first_key;
  skipped_ = false;
  iterator_->Seek(ToSlice(first_key));
  Settle();
}

void RecordScan::Next() {
  last_key_.assign(iterator_->key().data(), iterator_->key().size());
  iterator_->Next();
  Settle();
}

absl::string_view RecordScan::key() const { return ToView(iterator_->key()).substr(prefix_.size()); }
absl::string_view RecordScan::value() const { return ToView(iterator_->value()); }

void RecordScan::Settle() {
  if (!iterator_->Valid() && !iterator_->status().ok()) SkipCorrupt();
  valid_ = iterator_->Valid() && iterator_->key().starts_with(ToSlice(prefix_));
}

std::string RecordScan::KeyAt(uint64_t position) const {
  std::string key = prefix_;
  AppendBigEndian(key, position);
  return key;
}

bool RecordScan::TrySeek(uint64_t position) {
  iterator_->Seek(ToSlice(KeyAt(position)));
  return iterator_->Valid() || iterator_->status().ok();
}

void RecordScan::SkipCorrupt() {
  ++counters_.corrupt_records;
  skipped_ = true;
  const uint64_t finest = FinestStep(kind_);
  uint64_t bad = PositionOf(absl::string_view(last_key_).substr(prefix_.size()));
  uint64_t good = bad;
  uint64_t step = finest;
  do {
    bad = good;
    // Nothing to be read up to the end of the range: the iterator stays invalid, which ends the scan.
    if (good > std::numeric_limits<uint64_t>::max() - step) return;
    good += step;
    step *= 2;
  } while (!TrySeek(good));
  while (good - bad > finest) {
    const uint64_t middle = bad + (good - bad) / 2;
    (TrySeek(middle) ? good : bad) = middle;
  }
  TrySeek(good);
}

}  // namespace pilotlight::collector
