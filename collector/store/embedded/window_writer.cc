#include "collector/store/embedded/window_writer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/record.h"
#include "collector/store/embedded/rocks_status.h"
#include "exporters/label_name.h"

namespace pilotlight::collector {
namespace {

// What may wait in memory for the write under way; later appends wait with their windows.
constexpr size_t kMaxGroupBytes = size_t{4} << 20;

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
  const size_t entries =
      std::max({window.stacks().node_count(), window.stacks().frame_count(), window.stacks().string_count()});
  if (entries > BlockDictionary::kMaxEntries / 2) return refuse("too many distinct stacks");
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
void JoinEqualSeries(std::vector<RecordedSeries>& series, StackSums& scratch) {
  std::ranges::stable_sort(series, {}, &RecordedSeries::id);
  size_t kept = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    if (kept > 0 && series[kept - 1].id == series[i].id) {
      Add(std::move(series[i]), series[kept - 1]);
    } else {
      if (kept != i) series[kept] = std::move(series[i]);
      ++kept;
    }
  }
  series.resize(kept);
  for (RecordedSeries& one : series) scratch.Merge(one.samples);
}

// Stands for those that were too many.
const StackTable& OverflowStack() {
  static const auto* const table = new StackTrie(SyntheticStack(kOverflowStack));
  return *table;
}

}  // namespace

WindowWriter::WindowWriter(const EmbeddedStoreOptions& options, const Clock& clock, Database& database,
                           Catalogue& catalogue, OpenSpans& open_spans, Aggregates& aggregates,
                           BlockCache& cache, MergeCache& merges, StoreCounters& counters)
    : options_(options),
      clock_(clock),
      database_(database),
      catalogue_(catalogue),
      open_spans_(open_spans),
      aggregates_(aggregates),
      cache_(cache),
      merges_(merges),
      counters_(counters),
      open_(std::make_shared<Group>()) {}

absl::StatusOr<std::unique_ptr<WindowWriter>> WindowWriter::Create(
    const EmbeddedStoreOptions& options, const Clock& clock, Database& database, Catalogue& catalogue,
    OpenSpans& open_spans, Aggregates& aggregates, BlockCache& cache, MergeCache& merges,
    StoreCounters& counters) {
  // Not make_unique: the constructor is private.
  std::unique_ptr<WindowWriter> writer(
      new WindowWriter(options, clock, database, catalogue, open_spans, aggregates, cache, merges, counters));
  const MutexLock lock(writer->mutex_);
  RETURN_IF_ERROR(writer->Reload());
  return writer;
}

absl::Status WindowWriter::Recover() {
  while (database_.broken()) {
    // What is encoded fits the database as it is, so it goes first, be it to fail.
    if (in_write_ != nullptr || open_->awaited) {
      committed_.Wait(mutex_);
      continue;
    }
    open_->batch.Clear();  // of the last Reload()
    needs_reload_ = true;
    RETURN_IF_ERROR(database_.Recover([this] { cache_.Clear(); }));
  }
  return Reload();
}

absl::Status WindowWriter::Reload() {
  if (!needs_reload_) return absl::OkStatus();
  merges_.Clear();
  series_of_day_.clear();
  const Database::Use use(database_);
  RETURN_IF_ERROR(use.status());
  rocksdb::DB& rocks = use.rocks();
  RETURN_IF_ERROR(catalogue_.Load(rocks));
  RETURN_IF_ERROR(boots_.Load(rocks));
  RETURN_IF_ERROR(open_spans_.Load(rocks));
  // A sum over a day that began without the aggregate would lack windows.
  const absl::Time first_new =
      catalogue_.block_count() == 0
          ? absl::UnixEpoch()
          : absl::FromUnixNanos(static_cast<int64_t>(
                SpanStart(Level::kDay, static_cast<uint64_t>(absl::ToUnixNanos(clock_.Now()))) +
                SpanNanoseconds(Level::kDay)));
  RETURN_IF_ERROR(aggregates_.Load(rocks, first_new, open_->batch));
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
  RETURN_IF_ERROR(EncodeWindow(window));
  const std::shared_ptr<Group> group = open_;
  RETURN_IF_ERROR(Commit(*group));
  return AppendOutcome::kStored;
}

absl::StatusOr<WindowWriter::Target> WindowWriter::FindBlock(
    rocksdb::DB& rocks, const BlockKey& first_part,
    absl::FunctionRef<bool(const NumberedHashes& stacks)> adds_stacks) {
  BlockKey key = first_part;
  if (const auto last_part = catalogue_.FindLastPart(first_part)) {
    key = last_part->key;
    const std::shared_ptr<Block> block = cache_.blocks.Get(key);
    size_t bytes = 0;
    bool full = last_part->closed;
    if (!full) {
      const MutexLock lock(block->mutex);
      RETURN_IF_ERROR(block->LoadSeries(rocks, counters_));
      RETURN_IF_ERROR(block->LoadStacks(rocks, counters_));
      block->stacks.MakeSearchable();
      if (adds_stacks(block->stacks)) {
        RETURN_IF_ERROR(block->MakeWritable(rocks, counters_));
        full = block->byte_size() > options_.max_writer_bytes;
      }
      full |= block->damaged;
      bytes = block->byte_size();
    }
    if (bytes > 0) cache_.blocks.SetSize(key, bytes);
    if (!full) return Target{block, /*is_new=*/false};
    if (key.part == std::numeric_limits<uint16_t>::max()) {
      return absl::InvalidArgumentError("the service has too many distinct stacks on one day");
    }
    ++key.part;
  }
  // A query may have put an object there that knows what a dropped block of this name held.
  cache_.Drop(key);
  const std::shared_ptr<Block> block = cache_.blocks.Get(key);
  const MutexLock lock(block->mutex);
  block->StartNew();
  return Target{block, /*is_new=*/true};
}

absl::StatusOr<std::vector<WindowWriter::Share>> WindowWriter::FindShares(rocksdb::DB& rocks,
                                                                          const Window& window,
                                                                          uint64_t start_ns) {
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
    std::vector<uint64_t> hashes;
    for (const Series* series : share.series) {
      for (const Sample& sample : series->samples) hashes.push_back(window.stacks().stack_hash(sample.node));
    }
    std::vector<uint32_t>& stacks = share.stacks;
    const auto find_stacks = [&hashes, &stacks](const NumberedHashes& known) {
      stacks = known.FindAll(hashes, kNewStack);
      return std::ranges::find(stacks, kNewStack) != stacks.end();
    };
    absl::StatusOr<Target> target =
        FindBlock(rocks, FirstPart(Level::kWindow, start_ns, service_id), find_stacks);
    if (!target.ok()) {
      return absl::Status(target.status().code(),
                          absl::StrCat("service ", service, ": ", target.status().message()));
    }
    share.target = *std::move(target);
    if (share.target.is_new) share.stacks.clear();
    shares.push_back(std::move(share));
  }
  return shares;
}

size_t WindowWriter::EarlierStacks(rocksdb::DB& rocks, const BlockKey& part) {
  size_t count = 0;
  for (BlockKey key = part; key.part > 0;) {
    --key.part;
    const std::shared_ptr<Block> block = cache_.blocks.Get(key);
    const MutexLock lock(block->mutex);
    block->LoadStacks(rocks, counters_).IgnoreError();  // a limit may be inexact
    count += block->stacks.size();
  }
  return count;
}

size_t& WindowWriter::SeriesOf(rocksdb::DB& rocks, uint32_t day) {
  const auto [found, is_new] = series_of_day_.try_emplace(day, 0);
  if (!is_new) return found->second;
  size_t& count = found->second;
  for (const BlockKey& key : catalogue_.BlocksOfDay(day)) {
    const std::shared_ptr<Block> block = cache_.blocks.Get(key);
    size_t bytes = 0;
    {
      const MutexLock lock(block->mutex);
      block->LoadSeries(rocks, counters_).IgnoreError();  // a limit may be inexact
      count += block->series.size();
      bytes = block->byte_size();
    }
    cache_.blocks.SetSize(key, bytes);
  }
  constexpr size_t kMostDays = 3;  // late windows may be of earlier ones
  if (series_of_day_.size() > kMostDays) {
    series_of_day_.erase(series_of_day_.begin() == found ? std::prev(series_of_day_.end())
                                                         : series_of_day_.begin());
  }
  return count;
}

std::vector<RecordedSeries> WindowWriter::RecordShare(rocksdb::DB& rocks, const Share& share,
                                                      const StackTable& stacks) {
  const bool has_new_stacks =
      share.target.is_new || std::ranges::find(share.stacks, kNewStack) != share.stacks.end();
  const BlockKey& key = share.target.block->key;
  const size_t earlier_stacks = has_new_stacks ? EarlierStacks(rocks, key) : 0;
  size_t* const series_of_day = options_.max_series > 0 ? &SeriesOf(rocks, key.day) : nullptr;
  Block& block = *share.target.block;
  const MutexLock lock(block.mutex);
  std::vector<RecordedSeries> recorded;
  auto next_stack = share.stacks.begin();
  for (const Series* series : share.series) {
    SeriesIdentity identity{series->type, series->labels};
    std::string record = EncodeSeriesIdentity(identity);
    const bool too_many = block.series.size() >= options_.max_series_per_service ||
                          (series_of_day != nullptr && *series_of_day >= options_.max_series);
    const bool overflows = too_many && !block.series.Contains(record);
    if (overflows) {
      counters_.overflow.Add(share.service, ServiceLimit::kSeries, Totals(series->samples).count);
      identity.labels = {{std::string(kServiceLabel), share.service}, {std::string(kOverflowLabel), "true"}};
      record = EncodeSeriesIdentity(identity);
    }
    const SeriesTable::Interned interned = block.series.Intern(record, identity);
    if (interned.added) open_->batch.Put(NumberedKey(key, RecordKind::kSeries, interned.id), record);
    if (interned.added && !overflows && series_of_day != nullptr) ++*series_of_day;
    RecordedSeries& one =
        recorded.emplace_back(RecordedSeries{interned.id, series->period, series->loss, {}, series->samples});
    uint64_t overflowing = 0;
    for (Sample& sample : one.samples) {
      const uint32_t known = share.target.is_new ? kNewStack : *next_stack++;
      if (known != kNewStack) {
        sample.node = known;
        continue;
      }
      const uint64_t hash = stacks.stack_hash(sample.node);
      if (earlier_stacks + block.stacks.size() < options_.max_stacks_per_service || block.stacks.Find(hash)) {
        sample.node = block.FindOrAdd(stacks, sample.node, hash);
      } else {
        overflowing += sample.count;
        sample.node = block.FindOrAdd(OverflowStack(), 1, OverflowStack().stack_hash(1));
      }
    }
    if (overflowing > 0) counters_.overflow.Add(share.service, ServiceLimit::kStacks, overflowing);
  }
  block.PutNewStacks(open_->batch);
  JoinEqualSeries(recorded, sums_);
  return recorded;
}

// Nothing may fail once the first dictionary has been added to.
absl::Status WindowWriter::EncodeWindow(const Window& window) {
  const auto start_ns = static_cast<uint64_t>(absl::ToUnixNanos(window.start));
  if (start_ns < catalogue_.horizon_ns(Level::kWindow)) {
    return absl::InvalidArgumentError(absl::StrCat("window of ",
                                                   absl::FormatTime(window.start, absl::UTCTimeZone()),
                                                   " is older than what retention keeps"));
  }
  const Database::Use use(database_);
  RETURN_IF_ERROR(use.status());
  ASSIGN_OR_RETURN(const std::vector<Share> shares, FindShares(use.rocks(), window, start_ns));

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
  const StackTable& stacks = window.stacks();
  for (const Share& share : shares) {
    const BlockKey& key = share.target.block->key;
    if (share.service_is_new) {
      std::string id;
      AppendVarint(id, key.service);
      batch.Put(ServiceKey(share.service), id);
      catalogue_.AddService(share.service, key.service);
      next_service_id_ = std::max(next_service_id_, key.service + 1);
      ids_changed = true;
    }
    if (share.target.is_new) AddBlock(key, batch);
    open_spans_.Touch(start_ns, key.service, boot.last_seen, batch);
    const std::vector<RecordedSeries> recorded = RecordShare(use.rocks(), share, stacks);
    batch.Put(WindowRecordKey(key, {start_ns, boot.id, window.sequence}),
              EncodeWindowRecord(absl::ToInt64Nanoseconds(window.duration),
                                 absl::ToInt64Nanoseconds(window.interval), recorded));
    open_->series += recorded.size();
    size_t bytes = 0;
    {
      const MutexLock lock(share.target.block->mutex);
      bytes = share.target.block->byte_size();
    }
    cache_.blocks.SetSize(key, bytes);
    open_->blocks.push_back(share.target.block);
  }
  if (ids_changed) PutNextIds();
  open_->starts_ns.push_back(start_ns);
  ++open_->windows;
  return absl::OkStatus();
}

void WindowWriter::PutNextIds() {
  std::string record;
  AppendNextIds(next_service_id_, next_boot_id_, record);
  open_->batch.Put(NextIdsKey(), record);
}

absl::Status WindowWriter::Commit(Group& group) {
  group.awaited = true;
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
    merges_.Forget(group.starts_ns);
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

absl::StatusOr<WindowWriter::Target> WindowWriter::FindTarget(const BlockKey& first_part, bool adds_stacks) {
  const MutexLock lock(mutex_);
  RETURN_IF_ERROR(Recover());
  const Database::Use use(database_);
  RETURN_IF_ERROR(use.status());
  return FindBlock(use.rocks(), first_part, [adds_stacks](const NumberedHashes&) { return adds_stacks; });
}

void WindowWriter::WaitForAppends() {
  const MutexLock lock(mutex_);
  const std::shared_ptr<Group> last = open_->batch.Count() > 0 ? open_ : in_write_;
  if (last != nullptr) Commit(*last).IgnoreError();  // its appends hear of it
}

absl::Status WindowWriter::Write(const Encode& encode) {
  const MutexLock lock(mutex_);
  RETURN_IF_ERROR(Recover());
  RETURN_IF_ERROR(database_.CheckRoomForSums());
  encode(open_->batch, open_->blocks);
  if (open_->batch.Count() == 0) return absl::OkStatus();
  const std::shared_ptr<Group> group = open_;
  return Commit(*group);
}

void WindowWriter::AddBlock(const BlockKey& key, rocksdb::WriteBatch& batch) {
  batch.Put(CatalogueKey(key), rocksdb::Slice());
  catalogue_.AddBlock(key);
}

absl::Status WindowWriter::DropBefore(Level level, absl::Time before) {
  const MutexLock one_at_a_time(drop_mutex_);
  const auto before_ns = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixNanos(before)));
  const uint32_t day = FirstPart(level, before_ns, 0).day;
  const uint64_t horizon_ns = uint64_t{day} * kNanosecondsOfDay;
  std::vector<SpanKey> unsummed;
  const std::vector<char> spaces = SpacesOf(level);
  {
    const MutexLock lock(mutex_);
    RETURN_IF_ERROR(Recover());
    rocksdb::WriteBatch& batch = open_->batch;
    counters_.forgotten_boots += boots_.ForgetSeenBefore(clock_.Now() - options_.boot_memory, batch);
    const bool moves_horizon = horizon_ns > catalogue_.horizon_ns(level);
    if (moves_horizon) {
      const Catalogue::Expired expired = catalogue_.AdvanceHorizon(level, horizon_ns);
      std::string record;
      AppendVarint(record, horizon_ns);
      batch.Put(HorizonKey(level), record);
      for (const char space : spaces) batch.DeleteRange(DayStart(space, 0), DayStart(space, day));
      // Names stay for as long as either level of their tier needs them.
      const char names = SpaceOf(TierOf(level));
      batch.DeleteRange(DayStart(names, 0), DayStart(names, catalogue_.names_end_day(TierOf(level))));
      for (const BlockKey& block : expired.blocks) {
        batch.Delete(CatalogueKey(block));
        cache_.Drop(block);
      }
      for (const std::string& service : expired.services) batch.Delete(ServiceKey(service));
      if (level == Level::kWindow) unsummed = open_spans_.Before(Level::kTenMinutes, horizon_ns);
      for (const SpanKey& span : unsummed) open_spans_.BeginClosing(span, batch);
    }
    if (batch.Count() == 0) return absl::OkStatus();
    const std::shared_ptr<Group> group = open_;
    RETURN_IF_ERROR(Commit(*group));
    if (moves_horizon) merges_.Clear();
  }
  for (const SpanKey& span : unsummed) open_spans_.Close(span);
  counters_.unsummed_spans += unsummed.size();
  // Records of these days are refused by now, so no new file can hold any.
  for (const char space : spaces) {
    RETURN_IF_ERROR(database_.DeleteFiles(DayStart(space, 0), DayStart(space, day)));
  }
  const char names = SpaceOf(TierOf(level));
  return database_.DeleteFiles(DayStart(names, 0), DayStart(names, catalogue_.names_end_day(TierOf(level))));
}

size_t WindowWriter::boot_count() {
  const MutexLock lock(mutex_);
  return boots_.size();
}

}  // namespace pilotlight::collector
