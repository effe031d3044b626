#include "collector/store/embedded/stack_merger.h"

#include <algorithm>

namespace pilotlight::collector {

std::vector<NodeId> StackMerger::Map(BlockScan& scan, Block& block, const std::vector<uint32_t>& stacks) {
  hashes_ = scan.HashesOf(block, stacks);
  std::vector<NodeId> mapped(stacks.size(), kUnmapped);
  bool all_known = true;
  for (size_t i = 0; i < stacks.size(); ++i) {
    if (const auto known = nodes_.find(hashes_[i]); known != nodes_.end()) {
      mapped[i] = known->second;
    } else {
      all_known = false;
    }
  }
  if (!all_known) {
    scan.ReadNames(block.key, stacks.back(),
                   [&](const BlockDictionary& names) { MapUnknown(names, stacks, mapped); });
    if (!scan.status().ok()) std::ranges::replace(mapped, kUnmapped, StackTrie::kRoot);
  }
  return mapped;
}

void StackMerger::MapUnknown(const BlockDictionary& from, const std::vector<uint32_t>& stacks,
                             std::vector<NodeId>& mapped) {
  node_of_.assign(from.node_count(), kUnmapped);
  node_of_[StackTrie::kRoot] = StackTrie::kRoot;
  frame_of_.assign(from.frame_count(), kUnmapped);
  for (size_t i = 0; i < stacks.size(); ++i) {
    if (mapped[i] != kUnmapped) continue;
    // Another block may know what was lost in this one, so its hash stays free.
    const NodeId node = from.node_of(stacks[i]);
    if (node == BlockDictionary::kLostNumber) {
      mapped[i] = to_.Child(StackTrie::kRoot, to_.InternFrame(from.view(BlockDictionary::kLostNumber)));
      continue;
    }
    mapped[i] = MapNode(from, node);
    if (from.whole() || from.stack_hash(node) == hashes_[i]) nodes_.emplace(hashes_[i], mapped[i]);
  }
}

NodeId StackMerger::MapNode(const BlockDictionary& from, NodeId node) {
  path_.clear();
  for (; node_of_[node] == kUnmapped; node = from.parent(node)) path_.push_back(node);
  NodeId mapped = node_of_[node];
  for (size_t i = path_.size(); i-- > 0;) {
    const FrameId frame = from.frame_of(path_[i]);
    FrameId to_frame = kUnmapped;
    if (frame == BlockDictionary::kLostNumber) {
      to_frame = to_.InternFrame(from.view(frame));
    } else {
      if (frame_of_[frame] == kUnmapped) frame_of_[frame] = to_.InternFrame(from.view(frame));
      to_frame = frame_of_[frame];
    }
    mapped = node_of_[path_[i]] = to_.Child(mapped, to_frame);
  }
  return mapped;
}

}  // namespace pilotlight::collector
