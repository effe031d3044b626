#include "collector/store/embedded/node_sums.h"

#include <algorithm>
#include <optional>
#include <type_traits>

namespace pilotlight::collector {

void NodeSums::Grow(size_t size) {
  size_ = size;
  if (size <= counts_.size()) return;
  counts_.resize(size);
  values_.resize(size);
  touched_.resize((size + kBitsOfWord - 1) / kBitsOfWord);
}

void NodeSums::Add(const std::vector<Sample>& samples) {
  for (const Sample& sample : samples) Add(sample.node, sample.count, sample.value);
}

void NodeSums::Add(NodeId node, uint64_t count, int64_t value) {
  if (node >= size_) Grow(size_t{node} + 1);
  counts_[node] += count;
  values_[node] += static_cast<uint64_t>(value);
  touched_[node / kBitsOfWord] |= uint64_t{1} << node % kBitsOfWord;
}

void NodeSums::Clear() {
  ForEach([this](NodeId node) { counts_[node] = values_[node] = 0; });
  std::ranges::fill(touched_, 0);
  size_ = 0;
}

std::vector<Sample> NodeSums::ToSamples() const {
  std::vector<Sample> samples;
  ForEach([&](NodeId node) {
    if (!empty_at(node)) samples.push_back(at(node));
  });
  return samples;
}

size_t NodeSums::touched_count() const {
  size_t count = 0;
  for (const uint64_t word : touched_) count += static_cast<size_t>(std::popcount(word));
  return count;
}

template <typename Trie>
StackMerger<Trie>::StackMerger(Trie& to) : to_(to) {
  nodes_.emplace(BlockDictionary().stack_hash(StackTrie::kRoot), StackTrie::kRoot);
}

template <typename Trie>
std::optional<NodeId> StackMerger<Trie>::Find(uint64_t stack_hash) const {
  if constexpr (std::is_same_v<Trie, BlockDictionary>) {
    return to_.FindStack(stack_hash);
  } else {
    const auto found = nodes_.find(stack_hash);
    return found == nodes_.end() ? std::nullopt : std::make_optional(found->second);
  }
}

template <typename Trie>
std::vector<NodeId> StackMerger<Trie>::Map(const BlockDictionary& from, const NodeSums& sums) {
  frames_.clear();
  std::vector<NodeId> mapped;
  mapped.reserve(sums.touched_count());
  std::optional<NodeId> lost;
  sums.ForEach([&](NodeId node) {
    if (node < from.node_count()) {
      mapped.push_back(MapStack(from, node));
      return;
    }
    if (!lost) {
      lost = to_.Child(StackTrie::kRoot, to_.InternFrame(from.view(BlockDictionary::kLostNumber)));
    }
    mapped.push_back(*lost);
  });
  return mapped;
}

template <typename Trie>
NodeId StackMerger<Trie>::MapStack(const BlockDictionary& from, NodeId node) {
  path_.clear();
  std::optional<NodeId> mapped;
  while (!(mapped = Find(from.stack_hash(node)))) {
    path_.push_back(node);
    node = from.parent(node);
  }
  for (size_t i = path_.size(); i-- > 0;) {
    mapped = to_.Child(*mapped, MapFrame(from, from.frame_of(path_[i])));
    if constexpr (!std::is_same_v<Trie, BlockDictionary>) {
      nodes_.emplace(from.stack_hash(path_[i]), *mapped);
    }
  }
  return *mapped;
}

template <typename Trie>
FrameId StackMerger<Trie>::MapFrame(const BlockDictionary& from, FrameId frame) {
  const auto [entry, is_new] = frames_.try_emplace(frame);
  if (is_new) entry->second = to_.InternFrame(from.view(frame));
  return entry->second;
}

template class StackMerger<StackTrie>;
template class StackMerger<BlockDictionary>;

}  // namespace pilotlight::collector
