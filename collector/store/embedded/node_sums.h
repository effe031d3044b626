// Sums by node number: how windows of one block are merged.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
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
  // Calls visit(node) for each node that was added, in order.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (size_t word = 0; word < touched_.size(); ++word) {
      for (uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1) {
        visit(static_cast<NodeId>(word * kBitsOfWord + static_cast<size_t>(std::countr_zero(bits))));
      }
    }
  }
  size_t touched_count() const;

 private:
  static constexpr size_t kBitsOfWord = 64;
  void Grow(size_t size);

  std::vector<uint64_t> counts_;
  std::vector<uint64_t> values_;
  std::vector<uint64_t> touched_;  // a bit for each node
  size_t size_ = 0;
};

// Adds sums of one dictionary after the other to a trie (a StackTrie, or a BlockDictionary that is writable).
// A stack that came before is known by its hash alone, so what many dictionaries share costs little. Nodes
// that a dictionary does not know (their record was corrupt) become one frame, BlockDictionary::kLostName.
// Not thread-safe.
template <typename Trie>
class StackMerger {
 public:
  // `to` must outlive it.
  explicit StackMerger(Trie& to);

  // The node in `to` for each node that was added to `sums`, in the order of NodeSums::ForEach().
  std::vector<NodeId> Map(const BlockDictionary& from, const NodeSums& sums);

 private:
  std::optional<NodeId> Find(uint64_t stack_hash) const;
  NodeId MapStack(const BlockDictionary& from, NodeId node);
  FrameId MapFrame(const BlockDictionary& from, FrameId frame);

  Trie& to_;
  absl::flat_hash_map<uint64_t, NodeId> nodes_;   // by stack_hash(); a BlockDictionary knows itself
  std::vector<NodeId> path_;                      // of one call
  absl::flat_hash_map<FrameId, FrameId> frames_;  // of one call
};

}  // namespace pilotlight::collector
