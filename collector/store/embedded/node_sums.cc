#include "collector/store/embedded/node_sums.h"

#include <algorithm>
#include <bit>

namespace pilotlight::collector {
namespace {

constexpr uint32_t kUnmapped = UINT32_MAX;
constexpr size_t kBitsOfWord = 64;

}  // namespace

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

template <typename Visit>
void NodeSums::ForEachTouched(const Visit& visit) const {
  for (size_t word = 0; word < touched_.size(); ++word) {
    for (uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1) {
      visit(static_cast<NodeId>(word * kBitsOfWord + static_cast<size_t>(std::countr_zero(bits))));
    }
  }
}

void NodeSums::Clear() {
  ForEachTouched([this](NodeId node) { counts_[node] = values_[node] = 0; });
  std::ranges::fill(touched_, 0);
  size_ = 0;
}

std::vector<Sample> NodeSums::ToSamples() const {
  std::vector<Sample> samples;
  ForEachTouched([&](NodeId node) {
    if (!empty_at(node)) samples.push_back(at(node));
  });
  return samples;
}

template <typename Trie>
std::vector<NodeId> MapNodes(const BlockDictionary& from, const NodeSums& sums, Trie& to) {
  const size_t known = std::min(from.node_count(), sums.size());
  std::vector<uint8_t> needed(sums.size());
  for (size_t i = known; i-- > 1;) {
    const auto node = static_cast<NodeId>(i);
    if (!sums.empty_at(node)) needed[node] = 1;
    needed[from.parent(node)] |= needed[node];
  }
  std::vector<NodeId> mapped(sums.size());
  std::vector<FrameId> frames(from.frame_count(), kUnmapped);
  for (NodeId node = 1; node < known; ++node) {
    if (needed[node] == 0) continue;
    const FrameId frame = from.frame_of(node);
    FrameId in_to = 0;
    if (frame == BlockDictionary::kLostNumber) {
      in_to = to.InternFrame(from.view(frame));
    } else {
      if (frames[frame] == kUnmapped) frames[frame] = to.InternFrame(from.view(frame));
      in_to = frames[frame];
    }
    mapped[node] = to.Child(mapped[from.parent(node)], in_to);
  }
  if (known < sums.size()) {
    const FrameId lost = to.InternFrame(from.view(BlockDictionary::kLostNumber));
    std::fill(mapped.begin() + static_cast<std::ptrdiff_t>(known), mapped.end(),
              to.Child(StackTrie::kRoot, lost));
  }
  return mapped;
}

template std::vector<NodeId> MapNodes(const BlockDictionary&, const NodeSums&, StackTrie&);
template std::vector<NodeId> MapNodes(const BlockDictionary&, const NodeSums&, BlockDictionary&);

}  // namespace pilotlight::collector
