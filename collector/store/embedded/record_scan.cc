#include "collector/store/embedded/record_scan.h"

#include <utility>

#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/rocks_status.h"

namespace pilotlight::collector {
namespace {

absl::uint128 PositionOf(absl::string_view suffix) {
  std::string padded(suffix.substr(0, sizeof(absl::uint128)));
  padded.resize(sizeof(absl::uint128));
  ByteReader reader(padded);
  const auto high = reader.BigEndian<uint64_t>();
  return absl::MakeUint128(high, reader.BigEndian<uint64_t>());
}

}  // namespace

RecordScan::RecordScan(rocksdb::DB& rocks, StoreCounters& counters)
    : snapshot_(rocks.GetSnapshot(),
                [&rocks](const rocksdb::Snapshot* snapshot) { rocks.ReleaseSnapshot(snapshot); }),
      counters_(counters) {
  MakeIterators(rocks);
}

RecordScan::RecordScan(rocksdb::DB& rocks, const RecordScan& other)
    : snapshot_(other.snapshot_), counters_(other.counters_) {
  MakeIterators(rocks);
}

void RecordScan::MakeIterators(rocksdb::DB& rocks) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot_.get();
  make_iterator_ = [&rocks, options] { return rocks.NewIterator(options); };
  iterator_.reset(make_iterator_());
}

RecordScan::RecordScan(MakeIterator make_iterator, StoreCounters& counters)
    : make_iterator_(std::move(make_iterator)), counters_(counters) {
  iterator_.reset(make_iterator_());
}

void RecordScan::Seek(const std::string& prefix, const std::string& first_key, absl::uint128 finest_step) {
  finest_step_ = finest_step;
  prefix_ = prefix;
  last_key_ = first_key;
  skipped_ = false;
  SeekTo(first_key);
  Settle();
}

void RecordScan::Seek(const BlockKey& block, RecordKind kind, const std::string& first_key) {
  // Names lie by a number of four bytes; the others by their start, here in steps of a microsecond.
  const bool is_numbered = kind == RecordKind::kDictionary || kind == RecordKind::kSeries;
  const absl::uint128 finest_step =
      is_numbered ? absl::MakeUint128(uint64_t{1} << 32, 0) : absl::MakeUint128(1000, 0);
  Seek(RecordPrefix(block, kind), first_key, finest_step);
}

void RecordScan::Next() {
  last_key_.assign(iterator_->key().data(), iterator_->key().size());
  iterator_->Next();
  Settle();
}

absl::string_view RecordScan::key() const { return ToView(iterator_->key()); }
absl::string_view RecordScan::value() const { return ToView(iterator_->value()); }

void RecordScan::Settle() {
  if (iterator_->status().IsCorruption()) SkipCorrupt();
  if (const rocksdb::Status read = iterator_->status(); !read.ok() && !read.IsCorruption()) {
    status_.Update(ToStatus(read, "reading records"));
  }
  valid_ = iterator_->Valid() && iterator_->key().starts_with(ToSlice(prefix_));
}

void RecordScan::SeekTo(const std::string& key) {
  // A table iterator that has met an error keeps it when it takes the next key for one of the same block.
  if (!iterator_->status().ok()) iterator_.reset(make_iterator_());
  iterator_->Seek(ToSlice(key));
}

bool RecordScan::TrySeek(absl::uint128 position) {
  std::string key = prefix_;
  AppendBigEndian(key, absl::Uint128High64(position));
  AppendBigEndian(key, absl::Uint128Low64(position));
  SeekTo(key);
  return !iterator_->status().IsCorruption();
}

void RecordScan::SkipCorrupt() {
  ++counters_.corrupt_records;
  skipped_ = true;
  absl::uint128 bad = PositionOf(absl::string_view(last_key_).substr(prefix_.size()));
  absl::uint128 good = bad;
  absl::uint128 step = finest_step_;
  do {
    bad = good;
    // Nothing to be read up to the end of the range: the iterator stays invalid, which ends the scan.
    if (step == 0 || good > absl::Uint128Max() - step) return;
    good += step;
    step *= 2;
  } while (!TrySeek(good));
  while (good - bad > finest_step_) {
    const absl::uint128 middle = bad + (good - bad) / 2;
    (TrySeek(middle) ? good : bad) = middle;
  }
  TrySeek(good);
}

}  // namespace pilotlight::collector
