#include "collector/store/embedded/block_cache.h"

namespace pilotlight::collector {

template <typename Part>
std::shared_ptr<Part> BlockParts<Part>::Get(const BlockKey& key) {
  const MutexLock lock(memory_.mutex_);
  Entries& entries = memory_.entries_;
  if (const auto found = index_.find(key); found != index_.end()) {
    ++counters_.hits;
    entries.splice(entries.begin(), entries, found->second);
    return found->second->part;
  }
  ++counters_.misses;
  entries.push_front({this, std::make_shared<Part>(key), sizeof(Part)});
  index_.emplace(key, entries.begin());
  counters_.bytes += sizeof(Part);
  memory_.bytes_ += sizeof(Part);
  std::shared_ptr<Part> part = entries.front().part;
  MakeRoom();
  return part;
}

template <typename Part>
void BlockParts<Part>::SetSize(const BlockKey& key, size_t bytes) {
  const MutexLock lock(memory_.mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return;
  const size_t more = bytes - found->second->bytes;  // modulo 2^64
  counters_.bytes += more;
  memory_.bytes_ += more;
  found->second->bytes = bytes;
  MakeRoom();
}

template <typename Part>
void BlockParts<Part>::Drop(const BlockKey& key) {
  const MutexLock lock(memory_.mutex_);
  if (const auto found = index_.find(key); found != index_.end()) Erase(memory_, found->second);
}

template <typename Part>
void BlockParts<Part>::Clear() {
  const MutexLock lock(memory_.mutex_);
  for (const auto& [key, entry] : index_) memory_.entries_.erase(entry);
  index_.clear();
  memory_.bytes_ -= counters_.bytes;
  counters_.bytes = 0;
}

template <typename Part>
bool BlockParts<Part>::Holds(const Part& part) const {
  const MutexLock lock(memory_.mutex_);
  const auto found = index_.find(part.key);
  return found != index_.end() && found->second->part.get() == &part;
}

template <typename Part>
typename BlockParts<Part>::Counters BlockParts<Part>::counters() const {
  const MutexLock lock(memory_.mutex_);
  return counters_;
}

template <typename Part>
void BlockParts<Part>::Erase(PartsMemory<Part>& memory, typename Entries::iterator entry) {
  entry->owner->counters_.bytes -= entry->bytes;
  entry->owner->index_.erase(entry->part->key);
  memory.bytes_ -= entry->bytes;
  memory.entries_.erase(entry);
}

template <typename Part>
void BlockParts<Part>::MakeRoom() {
  Entries& entries = memory_.entries_;
  for (auto entry = entries.end(); memory_.bytes_ > memory_.max_bytes_ && entry != entries.begin();) {
    --entry;
    // Only the cache gives them out, and it is locked: what it alone holds stays so.
    if (entry->part.use_count() > 1) continue;
    const auto next = std::next(entry);
    Erase(memory_, entry);
    entry = next;
  }
}

template class BlockParts<Block>;
template class BlockParts<BlockNames>;

}  // namespace pilotlight::collector
