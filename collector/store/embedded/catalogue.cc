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
    const auto block = ParseBlockKey(ToView(records->key()).substr(prefix.size()));
    if (!block) return absl::DataLossError("a block's record is broken");
    blocks[*block] = !records->value().empty();
  }
  RETURN_IF_ERROR(ToStatus(records->status(), "reading the list of blocks"));

  const MutexLock lock(mutex_);
  blocks_ = std::move(blocks);
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

std::optional<Catalogue::Part> Catalogue::FindLastPart(uint32_t day, uint32_t service) const {
  const MutexLock lock(mutex_);
  auto after = blocks_.upper_bound(BlockKey{day, service, std::numeric_limits<uint16_t>::max()});
  if (after == blocks_.begin()) return std::nullopt;
  --after;
  const auto& [key, closed] = *after;
  if (key.day != day || key.service != service) return std::nullopt;
  return Part{key, closed};
}

void Catalogue::AddBlock(const BlockKey& key) {
  const MutexLock lock(mutex_);
  blocks_[key] = false;
}

std::vector<Catalogue::NamedBlock> Catalogue::BlocksOfDays(uint32_t first_day, uint32_t last_day) const {
  std::vector<NamedBlock> found;
  const MutexLock lock(mutex_);
  for (auto block = blocks_.lower_bound(BlockKey{first_day, 0, 0});
       block != blocks_.end() && block->first.day <= last_day; ++block) {
    const auto name = service_names_.find(block->first.service);
    found.push_back({block->first, name == service_names_.end() ? std::string() : name->second});
  }
  return found;
}

Catalogue::Expired Catalogue::FindExpired(uint32_t day) const {
  Expired expired;
  const MutexLock lock(mutex_);
  absl::flat_hash_set<uint32_t> living;
  for (const auto& [block, closed] : blocks_) {
    if (block.day < day) {
      expired.blocks.push_back(block);
    } else {
      living.insert(block.service);
    }
  }
  if (expired.blocks.empty()) return expired;
  for (const auto& [name, id] : service_ids_) {
    if (!living.contains(id)) expired.services.push_back(name);
  }
  return expired;
}

void Catalogue::Remove(const Expired& expired) {
  const MutexLock lock(mutex_);
  for (const BlockKey& block : expired.blocks) blocks_.erase(block);
  for (const std::string& name : expired.services) {
    service_names_.erase(service_ids_[name]);
    service_ids_.erase(name);
  }
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
