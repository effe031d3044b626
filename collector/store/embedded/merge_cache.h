// Answers that were merged before, for questions that are asked again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/mutex.h"
#include "collector/store/embedded/range_cover.h"
#include "collector/store/profile_store.h"

namespace pilotlight::collector {

class MergeCache;

// What the answers of several stores may take together. Thread-safe.
class MergeMemory {
 public:
  explicit MergeMemory(size_t max_bytes) : max_bytes_(max_bytes) {}

 private:
  friend class MergeCache;
  // A profile without the maps of its trie.
  struct Packed {
    StackTable stacks;
    MergedProfile rest;
    size_t bytes = 0;
  };
  struct Entry {
    MergeCache* owner = nullptr;
    std::string key;
    TimeRange range;
    std::shared_ptr<const Packed> packed;
  };
  using Entries = std::list<Entry>;  // the most recently used first

  const size_t max_bytes_;
  Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Keeps a merged profile until a window comes to its span; the least recently used ones of all stores are let
// go when they take more than the limit. An answer that was begun before a window was stored may lack it, so
// it is not kept when one came to its span meanwhile. Thread-safe.
class MergeCache {
 public:
  // The memory must outlive it.
  explicit MergeCache(MergeMemory& memory) : memory_(memory) {}
  ~MergeCache() { Clear(); }
  MergeCache(const MergeCache&) = delete;
  MergeCache& operator=(const MergeCache&) = delete;

  // The same for selections that select the same by the same matchers, in whatever order.
  static std::string KeyOf(const StoreSelection& selection);

  // A copy of what is here.
  std::optional<MergedProfile> Find(const std::string& key);

  // Whether the question came before, not long ago: only then is its answer worth the copy.
  bool IsAskedAgain(const std::string& key);

  // Stands for an answer while it is worked out. To be made before anything is looked up for it.
  class Answer {
   public:
    Answer(MergeCache& cache, std::string key, const TimeRange& range);
    ~Answer();
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;
    // Keeps a copy for the next time, when it is still true.
    void Keep(const MergedProfile& merged);

   private:
    friend class MergeCache;
    MergeCache& cache_;
    const std::string key_;
    const TimeRange range_;
    bool is_outdated_ = false;  // guarded by the memory's mutex
  };

  // Windows that start then were stored. To be called before their appends return.
  void Forget(const std::vector<uint64_t>& starts_ns);
  void Clear();

  struct Counters {
    uint64_t hits = 0;
    uint64_t misses = 0;
    size_t bytes = 0;
  };
  Counters counters() const;

 private:
  using Packed = MergeMemory::Packed;
  using Entries = MergeMemory::Entries;

  static Packed Pack(const MergedProfile& merged);
  static MergedProfile Unpack(const Packed& packed);
  static void Erase(MergeMemory& memory, Entries::iterator entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory.mutex_) ABSL_NO_THREAD_SAFETY_ANALYSIS;  // `memory` is the owner's

  MergeMemory& memory_;
  absl::flat_hash_map<std::string, Entries::iterator> index_ ABSL_GUARDED_BY(memory_.mutex_);
  std::vector<Answer*> answers_ ABSL_GUARDED_BY(memory_.mutex_);       // being worked out
  absl::flat_hash_set<size_t> asked_ ABSL_GUARDED_BY(memory_.mutex_);  // hashes of keys
  Counters counters_ ABSL_GUARDED_BY(memory_.mutex_);
};

}  // namespace pilotlight::collector
