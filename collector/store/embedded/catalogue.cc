#include "collector/store/embedded/catalogue.h"

#include <limits>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "base/status_macros.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/rocks_status.h"

namespace pilotlight::collector {

absl::Status Catalogue::Load(rocksdb::DB& rocks) {
  std::map<BlockKey, bool> blocks;
  absl::flat_hash_map<std::string, uint32_t> ids;
  absl::flat_hash_map<uint32_t, std::string> names;
  const std::unique_ptr<rocksdb::Iterator> records(rocks.NewIterator(rocksdb::ReadOptions()));
  const std::string services = ServicePrefix();
  for (records->Seek(services); records->Valid() && records->key().starts_with(services); records->Next()) {
    ByteReader reader(ToView(records->value()));
    const auto id = static_cast<uint32_t>(reader.VarintUpTo(UINT32_MAX));
    if (!reader.done()) return absl::DataLossError("a service's record is broken");
    const std::string name(ToView(records->key()).substr(services.size()));
    ids[name] = id;
    names[id] = name;
  }
  RETURN_IF_ERROR(ToStatus(records->status(), "reading the services"));
  const std::string prefix = CataloguePrefix();
  for (records->Seek(prefix); records->Valid() && records->key().starts_with(prefix); records->Next()) {
    const auto block = ParseCatalogueKey(ToView(records->key()).substr(prefix.size()));
    if (!block) return absl::DataLossError("a block's record is broken");
    blocks[*block] = !records->value().empty();
  }
  RETURN_IF_ERROR(ToStatus(records->status(), "reading the list of blocks"));
  std::array<uint64_t, 4> horizons_ns = {};
  for (size_t level = 0; level < horizons_ns.size(); ++level) {
    std::string record;
    const rocksdb::Status read =
        rocks.Get(rocksdb::ReadOptions(), HorizonKey(static_cast<Level>(level)), &record);
    if (read.IsNotFound()) continue;
    RETURN_IF_ERROR(ToStatus(read, "reading where the levels begin"));
    ByteReader reader(record);
    horizons_ns[level] = reader.Varint();
    if (!reader.done()) return absl::DataLossError("the record of where a level begins is broken");
  }

  const MutexLock lock(mutex_);
  blocks_ = std::move(blocks);
  horizons_ns_ = horizons_ns;
  service_ids_ = std::move(ids);
  service_names_ = std::move(names);
  return absl::OkStatus();
}

std::optional<uint32_t> Catalogue::FindService(const std::string& name) const {
  const MutexLock lock(mutex_);
  const auto found = service_ids_.find(name);
  if (found == service_ids_.end()) return std::nullopt;
  return found->second;
}

void Catalogue::AddService(const std::string& name, uint32_t id) {
  const MutexLock lock(mutex_);
  service_ids_[name] = id;
  service_names_[id] = name;
}

std::vector<uint32_t> Catalogue::Services(absl::FunctionRef<bool(const std::string& name)> matches) const {
  std::vector<uint32_t> services;
  const MutexLock lock(mutex_);
  for (const auto& [id, name] : service_names_) {
    if (matches(name)) services.push_back(id);
  }
  return services;
}

std::optional<Catalogue::Part> Catalogue::FindLastPart(const BlockKey& first_part) const {
  BlockKey last_part = first_part;
  last_part.part = std::numeric_limits<uint16_t>::max();
  const MutexLock lock(mutex_);
  auto after = blocks_.upper_bound(last_part);
  if (after == blocks_.begin()) return std::nullopt;
  --after;
  const auto& [key, closed] = *after;
  if (key < first_part) return std::nullopt;
  return Part{key, closed};
}

std::vector<BlockKey> Catalogue::Parts(const BlockKey& first_part) const {
  BlockKey last_part = first_part;
  last_part.part = std::numeric_limits<uint16_t>::max();
  std::vector<BlockKey> parts;
  const MutexLock lock(mutex_);
  for (auto block = blocks_.lower_bound(first_part); block != blocks_.end() && block->first <= last_part;
       ++block) {
    parts.push_back(block->first);
  }
  return parts;
}

std::vector<BlockKey> Catalogue::BlocksOfDay(uint32_t day) const {
  std::vector<BlockKey> blocks;
  const MutexLock lock(mutex_);
  for (auto block = blocks_.lower_bound({.day = day});
       block != blocks_.end() && block->first.tier == BlockTier::kDay && block->first.day == day; ++block) {
    if (!IsAggregateId(block->first.service)) blocks.push_back(block->first);
  }
  return blocks;
}

void Catalogue::AddBlock(const BlockKey& key) {
  const MutexLock lock(mutex_);
  blocks_[key] = false;
}

uint64_t Catalogue::horizon_ns(Level level) const {
  const MutexLock lock(mutex_);
  return horizons_ns_[static_cast<size_t>(level)];
}

uint32_t Catalogue::NamesEndDay(BlockTier tier) const {
  uint64_t end_ns = std::numeric_limits<uint64_t>::max();
  for (size_t level = 0; level < horizons_ns_.size(); ++level) {
    if (TierOf(static_cast<Level>(level)) == tier) end_ns = std::min(end_ns, horizons_ns_[level]);
  }
  return DayOf(end_ns);
}

uint32_t Catalogue::names_end_day(BlockTier tier) const {
  const MutexLock lock(mutex_);
  return NamesEndDay(tier);
}

std::optional<uint32_t> Catalogue::FirstDay(Level level) const {
  const MutexLock lock(mutex_);
  const BlockKey first = {.day = DayOf(horizons_ns_[static_cast<size_t>(level)]), .tier = TierOf(level)};
  const auto block = blocks_.lower_bound(first);
  if (block == blocks_.end() || block->first.tier != first.tier) return std::nullopt;
  return block->first.day;
}

uint32_t Catalogue::dropped_end_day(char space) const {
  const MutexLock lock(mutex_);
  if (space == SpaceOf(TierOfSpace(space))) return NamesEndDay(TierOfSpace(space));
  return DayOf(horizons_ns_[static_cast<size_t>(LevelOf(static_cast<RecordKind>(space)))]);
}

Catalogue::Expired Catalogue::AdvanceHorizon(Level level, uint64_t unix_ns) {
  const MutexLock lock(mutex_);
  uint64_t& horizon_ns = horizons_ns_[static_cast<size_t>(level)];
  horizon_ns = std::max(horizon_ns, unix_ns);
  Expired expired;
  absl::flat_hash_set<uint32_t> living;
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    const BlockKey& key = block->first;
    if (key.day < NamesEndDay(key.tier)) {
      expired.blocks.push_back(key);
      block = blocks_.erase(block);
    } else {
      living.insert(key.service);
      ++block;
    }
  }
  if (expired.blocks.empty()) return expired;
  for (const auto& [name, id] : service_ids_) {
    if (!living.contains(id)) expired.services.push_back(name);
  }
  for (const std::string& name : expired.services) {
    service_names_.erase(service_ids_[name]);
    service_ids_.erase(name);
  }
  return expired;
}

uint64_t Catalogue::first_ns() const {
  const MutexLock lock(mutex_);
  uint64_t first_ns = std::numeric_limits<uint64_t>::max();
  for (const BlockTier tier : {BlockTier::kDay, BlockTier::kMonth}) {
    const auto block = blocks_.lower_bound(BlockKey{.tier = tier});
    if (block == blocks_.end() || block->first.tier != tier) continue;
    first_ns = std::min(first_ns, uint64_t{block->first.day} * kNanosecondsOfDay);
  }
  return first_ns;
}

uint64_t Catalogue::end_ns() const {
  const MutexLock lock(mutex_);
  uint32_t end_day = 0;
  for (const BlockTier tier : {BlockTier::kDay, BlockTier::kMonth}) {
    constexpr uint32_t kLastDay = std::numeric_limits<uint32_t>::max();
    auto after = blocks_.upper_bound(
        BlockKey{kLastDay, std::numeric_limits<uint32_t>::max(), std::numeric_limits<uint16_t>::max(), tier});
    if (after == blocks_.begin() || (--after)->first.tier != tier) continue;
    end_day = std::max(end_day, after->first.day + DaysOfBlock(tier));
  }
  return uint64_t{end_day} * kNanosecondsOfDay;
}

size_t Catalogue::block_count() const {
  const MutexLock lock(mutex_);
  return blocks_.size();
}

size_t Catalogue::service_count() const {
  const MutexLock lock(mutex_);
  return service_ids_.size();
}

}  // namespace pilotlight::collector
