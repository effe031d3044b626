// Blocks and their names in memory, the least recently used ones let go when they take more than the limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "collector/store/embedded/block.h"

namespace pilotlight::collector {

// What a block has one of: Part is Block or BlockNames. Thread-safe. One that someone holds is never let go,
// so there is one object for each block however many use it; only Drop() ends that.
template <typename Part>
class BlockParts {
 public:
  explicit BlockParts(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Empty when it was not here.
  std::shared_ptr<Part> Get(const BlockKey& key);
  // Tells how large it has become. Not with its mutex held.
  void SetSize(const BlockKey& key, size_t bytes);
  // Forgets it; who holds it keeps it, the next Get() starts anew.
  void Drop(const BlockKey& key);
  void Clear();
  // False when `part` was dropped: it is not the object that others see.
  bool Holds(const Part& part) const;

  struct Counters {
    uint64_t hits = 0;
    uint64_t misses = 0;
    size_t bytes = 0;
  };
  Counters counters() const;

 private:
  struct Entry {
    std::shared_ptr<Part> part;
    size_t bytes = 0;
  };
  using Entries = std::list<Entry>;  // the most recently used first

  void Erase(typename Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_bytes_;
  mutable Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<BlockKey, typename Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
  Counters counters_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe.
struct BlockCache {
  BlockCache(size_t max_block_bytes, size_t max_name_bytes)
      : blocks(max_block_bytes), names(max_name_bytes) {}

  void Drop(const BlockKey& key) {
    blocks.Drop(key);
    names.Drop(key);
  }
  void Clear() {
    blocks.Clear();
    names.Clear();
  }

  BlockParts<Block> blocks;
  BlockParts<BlockNames> names;
};

}  // namespace pilotlight::collector
