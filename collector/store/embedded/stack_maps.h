// Which node of a block each stack of a stream is: agents send the same stacks again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/keys.h"
#include "profile/stack_trie.h"

namespace pilotlight::collector {

// Adds stacks of one table to one dictionary, and remembers those that samples end in. Not thread-safe.
class StackMap {
 public:
  // Calls between two BeginWindow() are for the same table and dictionary. REQUIRES: `to` is writable.
  void BeginWindow() { path_nodes_.clear(); }
  NodeId Map(const StackTable& from, NodeId node, BlockDictionary& to);

  size_t byte_size() const;

 private:
  FrameId MapFrame(const StackTable& from, FrameId frame, BlockDictionary& to);

  absl::flat_hash_map<NodeId, NodeId> nodes_;
  absl::flat_hash_map<FrameId, FrameId> frames_;
  absl::flat_hash_map<NodeId, NodeId> path_nodes_;  // of the stacks between, of this window
  std::vector<NodeId> path_;                        // of one call
};

// The maps that were used last. What they say holds for as long as the dictionaries keep what was added to
// them: when that may be lost, Clear(). Not thread-safe.
class StackMaps {
 public:
  explicit StackMaps(size_t max_bytes) : max_bytes_(max_bytes) {}

  // The map from the table with this id to the block; it lives until the next call.
  StackMap& Get(uint64_t table_id, const BlockKey& block);
  void Clear();

  size_t byte_size() const { return bytes_; }

 private:
  using Key = std::pair<uint64_t, BlockKey>;
  struct Entry {
    Key key;
    StackMap map;
    size_t bytes = 0;
  };

  void NoteSizeOfFirst();

  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::list<Entry> entries_;  // the most recently used first
  absl::flat_hash_map<Key, std::list<Entry>::iterator> index_;
};

}  // namespace pilotlight::collector
