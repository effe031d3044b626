#include "collector/store/embedded/window_writer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/rocks_status.h"
#include "collector/store/embedded/window_record.h"

namespace pilotlight::collector {
namespace {

// What may wait in memory for the write under way; later appends wait with their windows.
constexpr size_t kMaxGroupBytes = size_t{16} << 20;

absl::Status Validate(const Window& window) {
  const auto refuse = [&window](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("window ", window.sequence, " of agent ", window.agent, ": ", why));
  };
  if (window.agent.empty() || window.boot.empty()) return refuse("agent or boot is missing");
  if (window.sequence == 0) return refuse("sequences start at 1");
  if (window.start < absl::UnixEpoch() || window.start >= absl::FromUnixSeconds(int64_t{1} << 33)) {
    return refuse(absl::StrCat("impossible start ", absl::FormatTime(window.start, absl::UTCTimeZone())));
  }
  if (window.duration <= absl::ZeroDuration() || window.interval < window.duration ||
      window.interval > absl::Hours(24 * 366)) {
    return refuse("the duration must be positive and within the interval");
  }
  for (const Series& series : window.series) {
    const auto service = series.labels.find(std::string(kServiceLabel));
    if (service == series.labels.end() || service->second.empty()) {
      return refuse("a series without service_name");
    }
  }
  return absl::OkStatus();
}

void AppendNextIds(uint32_t service, uint32_t boot, std::string& out) {
  AppendVarint(out, service);
  AppendVarint(out, boot);
}

// Series that have become equal in the store (the same labels and type) become one.
void JoinEqualSeries(std::vector<RecordedSeries>& series) {
  std::ranges::stable_sort(series, {}, &RecordedSeries::id);
  size_t kept = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    if (kept > 0 && series[kept - 1].id == series[i].id) {
      RecordedSeries& into = series[kept - 1];
      if (into.period != series[i].period) into.period = 0;
      into.loss += series[i].loss;
      into.samples.insert(into.samples.end(), series[i].samples.begin(), series[i].samples.end());
    } else {
      if (kept != i) series[kept] = std::move(series[i]);
      ++kept;
    }
  }
  series.resize(kept);
  for (RecordedSeries& one : series) MergeSamples(one.samples);
}

}  // namespace

WindowWriter::WindowWriter(const EmbeddedStoreOptions& options, const Clock& clock, Database& database,
                           Catalogue& catalogue, BlockCache& cache, StoreCounters& counters)
    : options_(options),
      clock_(clock),
      database_(database),
      catalogue_(catalogue),
      cache_(cache),
      counters_(counters),
      open_(std::make_shared<Group>()) {}

absl::StatusOr<std::unique_ptr<WindowWriter>> WindowWriter::Create(const EmbeddedStoreOptions& options,
                                                                   const Clock& clock, Database& database,
                                                                   Catalogue& catalogue, BlockCache& cache,
                                                                   StoreCounters& counters) {
  // Not make_unique: the constructor is private.
  std::unique_ptr<WindowWriter> writer(
      new WindowWriter(options, clock, database, catalogue, cache, counters));
  const MutexLock lock(writer->mutex_);
  RETURN_IF_ERROR(writer->Reload());
  return writer;
}

absl::Status WindowWriter::Recover() {
  while (database_.broken()) {
    // What is encoded fits the database as it is, so it goes first, be it to fail.
    if (in_write_ != nullptr || open_->batch.Count() > 0) {
      committed_.Wait(mutex_);
      continue;
    }
    needs_reload_ = true;
    RETURN_IF_ERROR(database_.Recover([this] { cache_.Clear(); }));
  }
  return Reload();
}

absl::Status WindowWriter::Reload() {
  if (!needs_reload_) return absl::OkStatus();
  const Database::Use use(database_);
  RETURN_IF_ERROR(use.status());
  rocksdb::DB& rocks = use.rocks();
  RETURN_IF_ERROR(catalogue_.Load(rocks));
  RETURN_IF_ERROR(boots_.Load(rocks));
  std::string record;
  const rocksdb::Status read = rocks.Get(rocksdb::ReadOptions(), NextIdsKey(), &record);
  if (!read.IsNotFound()) {
    RETURN_IF_ERROR(ToStatus(read, "reading the next ids"));
    ByteReader reader(record);
    next_service_id_ = static_cast<uint32_t>(reader.VarintUpTo(UINT32_MAX));
    next_boot_id_ = static_cast<uint32_t>(reader.VarintUpTo(UINT32_MAX));
    if (!reader.done()) return absl::DataLossError("the record of the next ids is broken");
  }
  needs_reload_ = false;
  return absl::OkStatus();
}

absl::StatusOr<AppendOutcome> WindowWriter::Append(const Window& window) {
  absl::StatusOr<AppendOutcome> outcome = AppendValid(window);
  if (absl::IsInvalidArgument(outcome.status()) || absl::IsResourceExhausted(outcome.status())) {
    ++counters_.refused_windows;
  }
  return outcome;
}

absl::StatusOr<AppendOutcome> WindowWriter::AppendValid(const Window& window) {
  RETURN_IF_ERROR(Validate(window));
  const MutexLock lock(mutex_);
  while (open_->batch.GetDataSize() > kMaxGroupBytes) committed_.Wait(mutex_);
  RETURN_IF_ERROR(Recover());

  const BootTable::Boot* boot = boots_.Find(window.agent, window.boot);
  if (boot != nullptr && window.sequence <= boot->last_sequence) {
    // The window that set `last_sequence` may not be on disk yet.
    const std::shared_ptr<Group> last = open_->windows > 0 ? open_ : in_write_;
    if (last != nullptr) RETURN_IF_ERROR(Commit(*last));
    ++counters_.duplicate_windows;
    return AppendOutcome::kAlreadyThere;
  }
  RETURN_IF_ERROR(database_.CheckRoom());
  RETURN_IF_ERROR(Encode(window));
  const std::shared_ptr<Group> group = open_;
  RETURN_IF_ERROR(Commit(*group));
  return AppendOutcome::kStored;
}

absl::Status WindowWriter::FindBlock(rocksdb::DB& rocks, const BlockKey& first_part, Share& share) {
  BlockKey key = first_part;
  if (const auto last_part = catalogue_.FindLastPart(key.day, key.service)) {
    key = last_part->key;
    share.block = cache_.Get(key);
    size_t bytes = 0;
    bool full = false;
    {
      const MutexLock lock(share.block->mutex);
      share.block->LoadSeries(rocks, counters_);
      share.block->LoadDictionary(rocks, counters_);
      full = last_part->closed || share.block->damaged ||
             share.block->dictionary.byte_size() > options_.max_dictionary_bytes;
      if (!full) share.block->dictionary.MakeWritable();
      bytes = share.block->byte_size();
    }
    cache_.SetSize(key, bytes);
    if (!full) return absl::OkStatus();
    if (key.part == std::numeric_limits<uint16_t>::max()) {
      return absl::InvalidArgumentError(
          absl::StrCat("service ", share.service, " has too many distinct stacks on one day"));
    }
    ++key.part;
  }
  // A query may have put an object there that knows what a dropped block of this name held.
  cache_.Drop(key);
  share.block = cache_.Get(key);
  share.block_is_new = true;
  const MutexLock lock(share.block->mutex);
  share.block->StartNew();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<WindowWriter::Share>> WindowWriter::FindShares(rocksdb::DB& rocks,
                                                                          const Window& window,
                                                                          uint32_t day) {
  std::map<absl::string_view, Share> by_service;
  for (const Series& series : window.series) {
    const std::string& service = series.labels.find(std::string(kServiceLabel))->second;
    by_service[service].series.push_back(&series);
  }
  std::vector<Share> shares;
  uint32_t new_services = 0;
  for (auto& [service, share] : by_service) {
    share.service = std::string(service);
    const auto id = catalogue_.FindService(share.service);
    share.service_is_new = !id.has_value();
    if (share.service_is_new && catalogue_.service_count() + new_services >= options_.max_services) {
      return absl::InvalidArgumentError(absl::StrCat("service ", service, " would be one more than the ",
                                                     options_.max_services, " allowed"));
    }
    const uint32_t service_id = id ? *id : next_service_id_ + new_services++;
    RETURN_IF_ERROR(FindBlock(rocks, BlockKey{day, service_id, 0}, share));
    shares.push_back(std::move(share));
  }
  return shares;
}

// Nothing may fail once the first dictionary has been added to.
absl::Status WindowWriter::Encode(const Window& window) {
  const auto start_ns = static_cast<uint64_t>(absl::ToUnixNanos(window.start));
  const uint32_t day = DayOf(start_ns);
  if (day < first_day_) {
    return absl::InvalidArgumentError(absl::StrCat("window of ",
                                                   absl::FormatTime(window.start, absl::UTCTimeZone()),
                                                   " is older than what retention keeps"));
  }
  const Database::Use use(database_);
  RETURN_IF_ERROR(use.status());
  ASSIGN_OR_RETURN(const std::vector<Share> shares, FindShares(use.rocks(), window, day));

  rocksdb::WriteBatch& batch = open_->batch;
  const BootTable::Boot* known = boots_.Find(window.agent, window.boot);
  BootTable::Boot boot = known != nullptr ? *known : BootTable::Boot{};
  if (known == nullptr) {
    counters_.forgotten_boots += boots_.ForgetDownTo(options_.max_boots - 1, batch);
    boot.id = next_boot_id_++;
  } else {
    open_->missing += window.sequence - boot.last_sequence - 1;
  }
  boot.last_sequence = window.sequence;
  boot.last_seen = clock_.Now();
  boots_.Set(window.agent, window.boot, boot, batch);

  bool ids_changed = known == nullptr;
  WindowMapper mapper(window.trie);
  for (const Share& share : shares) {
    const BlockKey& key = share.block->key;
    if (share.service_is_new) {
      std::string id;
      AppendVarint(id, key.service);
      batch.Put(ServiceKey(share.service), id);
      catalogue_.AddService(share.service, key.service);
      next_service_id_ = std::max(next_service_id_, key.service + 1);
      ids_changed = true;
    }
    if (share.block_is_new) {
      batch.Put(CatalogueKey(key), rocksdb::Slice());
      catalogue_.AddBlock(key);
    }
    size_t bytes = 0;
    {
      Block& block = *share.block;
      const MutexLock lock(block.mutex);
      mapper.StartBlock(block.dictionary);
      std::vector<RecordedSeries> recorded;
      for (const Series* series : share.series) {
        const SeriesIdentity identity{series->type, series->labels};
        const std::string record = EncodeSeriesIdentity(identity);
        const SeriesTable::Interned interned = block.series.Intern(record, identity);
        if (interned.added) batch.Put(NumberedKey(key, RecordKind::kSeries, interned.id), record);
        RecordedSeries& one =
            recorded.emplace_back(RecordedSeries{interned.id, series->period, series->loss, series->samples});
        for (Sample& sample : one.samples) sample.node = mapper.MapNode(sample.node);
      }
      if (const std::string chunk = block.dictionary.TakeChunk(); !chunk.empty()) {
        batch.Put(NumberedKey(key, RecordKind::kDictionary, block.next_chunk++), chunk);
      }
      JoinEqualSeries(recorded);
      batch.Put(WindowRecordKey(key, {start_ns, boot.id, window.sequence}),
                EncodeWindowRecord(absl::ToInt64Nanoseconds(window.duration),
                                   absl::ToInt64Nanoseconds(window.interval), recorded));
      open_->series += recorded.size();
      bytes = block.byte_size();
    }
    cache_.SetSize(key, bytes);
    open_->blocks.push_back(share.block);
  }
  if (ids_changed) PutNextIds();
  ++open_->windows;
  return absl::OkStatus();
}

void WindowWriter::PutNextIds() {
  std::string record;
  AppendNextIds(next_service_id_, next_boot_id_, record);
  open_->batch.Put(NextIdsKey(), record);
}

absl::Status WindowWriter::Commit(Group& group) {
  while (!group.done) {
    if (in_write_ != nullptr || &group != open_.get()) {
      committed_.Wait(mutex_);
      continue;
    }
    in_write_ = open_;
    open_ = std::make_shared<Group>();
    mutex_.Unlock();
    const absl::Status status = database_.Write(group.batch);
    mutex_.Lock();
    in_write_ = nullptr;
    Finish(group, status);
    committed_.NotifyAll();
  }
  return group.status;
}

void WindowWriter::Finish(Group& group, const absl::Status& status) {
  group.done = true;
  group.status = status;
  if (status.ok()) {
    ++counters_.commits;
    counters_.appended_windows += group.windows;
    counters_.appended_series += group.series;
    counters_.missing_windows += group.missing;
  } else {
    ++counters_.failed_writes;
    for (const auto& block : group.blocks) cache_.Drop(block->key);
    for (const auto& block : open_->blocks) cache_.Drop(block->key);
    // What the open group holds may refer to what was not written.
    open_->done = true;
    open_->status = status;
    open_->batch.Clear();
    open_->blocks.clear();
    open_ = std::make_shared<Group>();
    needs_reload_ = true;
    // Now if it can be, for the queries' sake; else before the next append.
    Reload().IgnoreError();
  }
  group.batch.Clear();
  group.blocks.clear();
}

absl::Status WindowWriter::DropBefore(absl::Time before) {
  const MutexLock one_at_a_time(drop_mutex_);
  const int64_t before_day = absl::ToInt64Hours(before - absl::UnixEpoch()) / 24;
  const auto day = static_cast<uint32_t>(std::clamp<int64_t>(before_day, 0, UINT32_MAX));
  {
    const MutexLock lock(mutex_);
    RETURN_IF_ERROR(Recover());
    first_day_ = day;
    rocksdb::WriteBatch& batch = open_->batch;
    counters_.forgotten_boots += boots_.ForgetSeenBefore(clock_.Now() - options_.boot_memory, batch);
    const Catalogue::Expired expired = catalogue_.FindExpired(day);
    if (!expired.blocks.empty()) {
      for (const BlockKey& block : expired.blocks) batch.Delete(CatalogueKey(block));
      for (const std::string& service : expired.services) batch.Delete(ServiceKey(service));
      batch.DeleteRange(DayStart(0), DayStart(day));
      catalogue_.Remove(expired);
      cache_.DropDaysBefore(day);
    }
    if (batch.Count() == 0) return absl::OkStatus();
    const std::shared_ptr<Group> group = open_;
    RETURN_IF_ERROR(Commit(*group));
    if (expired.blocks.empty()) return absl::OkStatus();
  }
  // Windows of these days are refused by now, so no new file can hold any.
  return database_.DeleteFiles(DayStart(0), DayStart(day));
}

size_t WindowWriter::boot_count() {
  const MutexLock lock(mutex_);
  return boots_.size();
}

}  // namespace pilotlight::collector
