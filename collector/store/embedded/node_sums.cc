#include "collector/store/embedded/node_sums.h"

#include <algorithm>

namespace pilotlight::collector {
namespace {

constexpr uint32_t kUnmapped = UINT32_MAX;

}  // namespace

void NodeSums::Grow(size_t size) {
  counts_.resize(size);
  values_.resize(size);
}

void NodeSums::Add(const std::vector<Sample>& samples) {
  NodeId highest = 0;
  for (const Sample& sample : samples) highest = std::max(highest, sample.node);
  if (!samples.empty() && highest >= size()) Grow(size_t{highest} + 1);
  for (const Sample& sample : samples) {
    counts_[sample.node] += sample.count;
    values_[sample.node] += static_cast<uint64_t>(sample.value);
  }
}

void NodeSums::Add(NodeId node, uint64_t count, int64_t value) {
  if (node >= size()) Grow(size_t{node} + 1);
  counts_[node] += count;
  values_[node] += static_cast<uint64_t>(value);
}

void NodeSums::Clear() {
  counts_.clear();
  values_.clear();
}

std::vector<Sample> NodeSums::ToSamples() const {
  std::vector<Sample> samples;
  for (NodeId node = 0; node < size(); ++node) {
    if (!empty_at(node)) samples.push_back(at(node));
  }
  return samples;
}

std::vector<NodeId> MapNodes(const BlockDictionary& from, const NodeSums& sums, StackTrie& to) {
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

}  // namespace pilotlight::collector
