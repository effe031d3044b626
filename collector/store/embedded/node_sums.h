// Sums by node number: how windows of one block are merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "collector/store/embedded/block_dictionary.h"
#include "profile/profile.h"
#include "profile/stack_trie.h"

namespace pilotlight::collector {

// Dense: index is the node; clearing costs no more than what was added. Sums wrap rather than overflow. Not
// thread-safe.
class NodeSums {
 public:
  void Add(const std::vector<Sample>& samples);
  void Add(NodeId node, uint64_t count, int64_t value);
  void Clear();
  // One past the highest node.
  size_t size() const { return size_; }
  bool empty_at(NodeId node) const { return counts_[node] == 0 && values_[node] == 0; }
  Sample at(NodeId node) const { return {node, counts_[node], static_cast<int64_t>(values_[node])}; }
  // Sorted by node, without those that are zero.
  std::vector<Sample> ToSamples() const;

 private:
  void Grow(size_t size);
  template <typename Visit>
  void ForEachTouched(const Visit& visit) const;  // in order

  std::vector<uint64_t> counts_;
  std::vector<uint64_t> values_;
  std::vector<uint64_t> touched_;  // a bit for each node
  size_t size_ = 0;
};

// The node in `to`, a StackTrie or a BlockDictionary that is writable, for each node that has a sum; other
// entries mean nothing. Nodes that `from` does not know (their record was corrupt) become one frame,
// BlockDictionary::kLostName.
template <typename Trie>
std::vector<NodeId> MapNodes(const BlockDictionary& from, const NodeSums& sums, Trie& to);

}  // namespace pilotlight::collector
