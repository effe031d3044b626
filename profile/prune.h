// What flame graphs and diff graphs do with their small parts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "profile/frame.h"

namespace pilotlight {

// The largest `max_nodes` nodes beside the root; the rest of each parent's children become one leaf named
// "other", so every total stays exact. `size_of` a node is not less than those of its children.
// A node has parent, name, kind, and Absorb(), which adds another's total to its own self and total.
// REQUIRES: totals are filled; there are more than max_nodes > 0 beside the root.
template <typename Graph, typename SizeOf>
Graph PruneGraph(const Graph& full, size_t max_nodes, SizeOf size_of) {
  using Node = typename Graph::Node;
  std::vector<decltype(size_of(full.nodes[0]))> sizes;
  for (size_t i = 1; i < full.nodes.size(); ++i) sizes.push_back(size_of(full.nodes[i]));
  std::nth_element(sizes.begin(), sizes.begin() + static_cast<ptrdiff_t>(max_nodes - 1), sizes.end(),
                   std::greater<>());
  const auto smallest_kept = sizes[max_nodes - 1];

  Graph pruned;
  pruned.names.emplace_back("total");
  pruned.nodes.push_back(full.nodes[0]);
  absl::flat_hash_map<uint32_t, uint32_t> names;
  constexpr uint32_t kDropped = UINT32_MAX;
  std::vector<uint32_t> kept(full.nodes.size(), kDropped);
  kept[0] = 0;
  std::vector<std::pair<uint32_t, size_t>> folded;  // (kept parent, root of a dropped subtree)
  for (size_t i = 1; i < full.nodes.size(); ++i) {
    const Node& node = full.nodes[i];
    const uint32_t parent = kept[node.parent];
    if (parent == kDropped) continue;
    // Equal sizes may not all fit: the first ones win, so the limit holds exactly.
    if (size_of(node) < smallest_kept || pruned.nodes.size() > max_nodes) {
      folded.emplace_back(parent, i);
      continue;
    }
    const auto [name, is_new] = names.try_emplace(node.name, static_cast<uint32_t>(pruned.names.size()));
    if (is_new) pruned.names.push_back(full.names[node.name]);
    kept[i] = static_cast<uint32_t>(pruned.nodes.size());
    Node& copy = pruned.nodes.emplace_back(node);
    copy.parent = parent;
    copy.name = name->second;
  }
  if (folded.empty()) return pruned;

  const auto other_name = static_cast<uint32_t>(pruned.names.size());
  pruned.names.emplace_back(kOtherName);
  absl::flat_hash_map<uint32_t, uint32_t> others;  // parent → its "other" node
  for (const auto& [parent, dropped] : folded) {
    const auto [other, is_new] = others.try_emplace(parent, static_cast<uint32_t>(pruned.nodes.size()));
    if (is_new) {
      Node& added = pruned.nodes.emplace_back();
      added.parent = parent;
      added.name = other_name;
      added.kind = FrameKind::kSynthetic;
    }
    pruned.nodes[other->second].Absorb(full.nodes[dropped]);
  }
  return pruned;
}

}  // namespace pilotlight
