#include "collector/store/embedded/block_cache.h"

namespace pilotlight::collector {

std::shared_ptr<Block> BlockCache::Get(const BlockKey& key) {
  const MutexLock lock(mutex_);
  if (const auto found = index_.find(key); found != index_.end()) {
    ++counters_.hits;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->block;
  }
  ++counters_.misses;
  entries_.push_front({std::make_shared<Block>(key), sizeof(Block)});
  index_.emplace(key, entries_.begin());
  counters_.bytes += sizeof(Block);
  std::shared_ptr<Block> block = entries_.front().block;
  MakeRoom();
  return block;
}

void BlockCache::SetSize(const BlockKey& key, size_t bytes) {
  const MutexLock lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return;
  counters_.bytes += bytes - found->second->bytes;
  found->second->bytes = bytes;
  MakeRoom();
}

void BlockCache::Drop(const BlockKey& key) {
  const MutexLock lock(mutex_);
  if (const auto found = index_.find(key); found != index_.end()) Erase(found->second);
}

void BlockCache::Clear() {
  const MutexLock lock(mutex_);
  index_.clear();
  entries_.clear();
  counters_.bytes = 0;
}

bool BlockCache::Holds(const Block& block) const {
  const MutexLock lock(mutex_);
  const auto found = index_.find(block.key);
  return found != index_.end() && found->second->block.get() == &block;
}

BlockCache::Counters BlockCache::counters() const {
  const MutexLock lock(mutex_);
  return counters_;
}

void BlockCache::Erase(Entries::iterator entry) {
  counters_.bytes -= entry->bytes;
  index_.erase(entry->block->key);
  entries_.erase(entry);
}

void BlockCache::MakeRoom() {
  for (auto entry = entries_.end(); counters_.bytes > max_bytes_ && entry != entries_.begin();) {
    --entry;
    // Only the cache gives out blocks, and it is locked: what it alone holds stays so.
    if (entry->block.use_count() > 1) continue;
    const auto next = std::next(entry);
    Erase(entry);
    entry = next;
  }
}

}  // namespace pilotlight::collector
