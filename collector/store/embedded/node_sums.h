// Sums by node number: how windows of one block are merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "collector/store/embedded/block_dictionary.h"
#include "profile/profile.h"
#include "profile/stack_trie.h"

namespace pilotlight::collector {

// Dense: index is the node. Sums wrap rather than overflow. Not thread-safe.
class NodeSums {
 public:
  void Add(const std::vector<Sample>& samples);
  void Add(NodeId node, uint64_t count, int64_t value);
  void Clear();
  // One past the highest node.
  size_t size() const { return counts_.size(); }
  bool empty_at(NodeId node) const { return counts_[node] == 0 && values_[node] == 0; }
  Sample at(NodeId node) const { return {node, counts_[node], static_cast<int64_t>(values_[node])}; }
  // Sorted by node, without those that are zero.
  std::vector<Sample> ToSamples() const;

 private:
  void Grow(size_t size);

  std::vector<uint64_t> counts_;
  std::vector<uint64_t> values_;
};

// The node in `to` for each node that has a sum; other entries mean nothing. Nodes that `from` does not know
// (their record was corrupt) become one frame, BlockDictionary::kLostName.
std::vector<NodeId> MapNodes(const BlockDictionary& from, const NodeSums& sums, StackTrie& to);

}  // namespace pilotlight::collector
