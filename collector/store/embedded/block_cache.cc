#include "collector/store/embedded/block_cache.h"

namespace pilotlight::collector {

template <typename Part>
std::shared_ptr<Part> BlockParts<Part>::Get(const BlockKey& key) {
  const MutexLock lock(mutex_);
  if (const auto found = index_.find(key); found != index_.end()) {
    ++counters_.hits;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->part;
  }
  ++counters_.misses;
  entries_.push_front({std::make_shared<Part>(key), sizeof(Part)});
  index_.emplace(key, entries_.begin());
  counters_.bytes += sizeof(Part);
  std::shared_ptr<Part> part = entries_.front().part;
  MakeRoom();
  return part;
}

template <typename Part>
void BlockParts<Part>::SetSize(const BlockKey& key, size_t bytes) {
  const MutexLock lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return;
  counters_.bytes += bytes - found->second->bytes;
  found->second->bytes = bytes;
  MakeRoom();
}

template <typename Part>
void BlockParts<Part>::Drop(const BlockKey& key) {
  const MutexLock lock(mutex_);
  if (const auto found = index_.find(key); found != index_.end()) Erase(found->second);
}

template <typename Part>
void BlockParts<Part>::Clear() {
  const MutexLock lock(mutex_);
  index_.clear();
  entries_.clear();
  counters_.bytes = 0;
}

template <typename Part>
bool BlockParts<Part>::Holds(const Part& part) const {
  const MutexLock lock(mutex_);
  const auto found = index_.find(part.key);
  return found != index_.end() && found->second->part.get() == &part;
}

template <typename Part>
typename BlockParts<Part>::Counters BlockParts<Part>::counters() const {
  const MutexLock lock(mutex_);
  return counters_;
}

template <typename Part>
void BlockParts<Part>::Erase(typename Entries::iterator entry) {
  counters_.bytes -= entry->bytes;
  index_.erase(entry->part->key);
  entries_.erase(entry);
}

template <typename Part>
void BlockParts<Part>::MakeRoom() {
  for (auto entry = entries_.end(); counters_.bytes > max_bytes_ && entry != entries_.begin();) {
    --entry;
    // Only the cache gives them out, and it is locked: what it alone holds stays so.
    if (entry->part.use_count() > 1) continue;
    const auto next = std::next(entry);
    Erase(entry);
    entry = next;
  }
}

template class BlockParts<Block>;
template class BlockParts<BlockNames>;

}  // namespace pilotlight::collector
