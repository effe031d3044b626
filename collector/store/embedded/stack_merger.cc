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
  string_of_.assign(from.string_count(), kUnmapped);
  // What the first block of an answer brings: the share of its names that its stacks are of its own.
  const double share = static_cast<double>(stacks.size()) / static_cast<double>(from.stack_count());
  const auto share_of = [share](size_t count) {
    return static_cast<size_t>(std::min(share, 1.0) * static_cast<double>(count));
  };
  to_.Reserve(share_of(from.string_count()), share_of(from.frame_count()), share_of(from.node_count()));
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
    mapped = node_of_[path_[i]] = to_.Child(mapped, MapFrame(from, from.frame_of(path_[i])));
  }
  return mapped;
}

FrameId StackMerger::MapFrame(const BlockDictionary& from, FrameId frame) {
  const Frame* const known = from.frame(frame);
  if (known == nullptr) return to_.InternFrame(from.view(frame));
  FrameId& mapped = frame_of_[frame];
  if (mapped == kUnmapped) {
    Frame copy = *known;
    copy.function = MapString(from, copy.function);
    copy.file = MapString(from, copy.file);
    copy.mapping = MapString(from, copy.mapping);
    mapped = to_.InternFrame(copy);
  }
  return mapped;
}

StringId StackMerger::MapString(const BlockDictionary& from, StringId text) {
  StringId& mapped = string_of_[text];
  if (mapped == kUnmapped) mapped = to_.InternString(from.string(text));
  return mapped;
}

}  // namespace pilotlight::collector
