// Blocks and their names in memory, the least recently used ones let go when those of all stores together
// take more than the limit.
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

template <typename Part>
class BlockParts;

// What the parts of several stores may take together. Thread-safe.
template <typename Part>
class PartsMemory {
 public:
  explicit PartsMemory(size_t max_bytes) : max_bytes_(max_bytes) {}

 private:
  friend class BlockParts<Part>;
  struct Entry {
    BlockParts<Part>* owner = nullptr;
    std::shared_ptr<Part> part;
    size_t bytes = 0;
  };
  using Entries = std::list<Entry>;  // the most recently used first

  const size_t max_bytes_;
  Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

// What a block of a store has one of: Part is Block or BlockNames. Thread-safe. One that someone holds is
// never let go, so there is one object for each block however many use it; only Drop() ends that.
template <typename Part>
class BlockParts {
 public:
  // The memory must outlive it.
  explicit BlockParts(PartsMemory<Part>& memory) : memory_(memory) {}
  ~BlockParts() { Clear(); }
  BlockParts(const BlockParts&) = delete;
  BlockParts& operator=(const BlockParts&) = delete;

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
  using Entries = typename PartsMemory<Part>::Entries;

  static void Erase(PartsMemory<Part>& memory, typename Entries::iterator entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory.mutex_) ABSL_NO_THREAD_SAFETY_ANALYSIS;  // `memory` is the owner's
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_.mutex_);

  PartsMemory<Part>& memory_;
  absl::flat_hash_map<BlockKey, typename Entries::iterator> index_ ABSL_GUARDED_BY(memory_.mutex_);
  Counters counters_ ABSL_GUARDED_BY(memory_.mutex_);
};

// Of all stores of a process.
struct BlockMemory {
  explicit BlockMemory(size_t max_bytes) : blocks(max_bytes / 4 * 3), names(max_bytes / 4) {}

  PartsMemory<Block> blocks;
  PartsMemory<BlockNames> names;
};

// Of one store. Thread-safe.
struct BlockCache {
  explicit BlockCache(BlockMemory& memory) : blocks(memory.blocks), names(memory.names) {}

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
