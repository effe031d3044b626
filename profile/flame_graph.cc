#include "profile/flame_graph.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace pilotlight {
namespace {

void Add(Sample& to, const Sample& from) {
  to.count += from.count;
  to.value += from.value;
}

FlameGraph MergeByFunction(const Profile& profile) {
  const StackTrie& trie = profile.trie;
  // Only nodes that lead to a sample take part.
  std::vector<bool> used(trie.node_count());
  for (const Sample& sample : profile.samples) {
    for (NodeId node = sample.node; !used[node]; node = trie.parent(node)) {
      used[node] = true;
      if (node == StackTrie::kRoot) break;
    }
  }

  FlameGraph graph;
  graph.names.emplace_back("total");
  graph.nodes.emplace_back();
  absl::flat_hash_map<StringId, uint32_t> names;
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, uint32_t> children;
  std::vector<uint32_t> merged(trie.node_count());
  for (NodeId node = 1; node < trie.node_count(); ++node) {
    if (!used[node]) continue;
    const Frame& frame = trie.frame(trie.frame_of(node));
    const auto [name, name_is_new] =
        names.try_emplace(frame.function, static_cast<uint32_t>(graph.names.size()));
    if (name_is_new) graph.names.emplace_back(trie.string(frame.function));
    const uint32_t parent = merged[trie.parent(node)];
    const auto [child, child_is_new] =
        children.try_emplace({parent, name->second}, static_cast<uint32_t>(graph.nodes.size()));
    if (child_is_new) {
      graph.nodes.push_back(
          {.parent = parent, .name = name->second, .kind = frame.kind, .self = {}, .total = {}});
    }
    merged[node] = child->second;
  }
  for (const Sample& sample : profile.samples) Add(graph.nodes[merged[sample.node]].self, sample);
  return graph;
}

void FillTotals(FlameGraph& graph) {
  for (FlameGraph::Node& node : graph.nodes) node.total = node.self;
  for (size_t i = graph.nodes.size(); i-- > 1;)
    Add(graph.nodes[graph.nodes[i].parent].total, graph.nodes[i].total);
}

// REQUIRES: totals are filled.
FlameGraph Prune(const FlameGraph& full, size_t max_nodes) {
  std::vector<int64_t> values;
  for (size_t i = 1; i < full.nodes.size(); ++i) values.push_back(full.nodes[i].total.value);
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(max_nodes - 1), values.end(),
                   std::greater<>());
  const int64_t smallest_kept = values[max_nodes - 1];

  FlameGraph pruned;
  pruned.names.emplace_back("total");
  pruned.nodes.push_back(full.nodes[0]);
  absl::flat_hash_map<uint32_t, uint32_t> names;
  constexpr uint32_t kDropped = UINT32_MAX;
  std::vector<uint32_t> kept(full.nodes.size(), kDropped);
  kept[0] = 0;
  std::vector<std::pair<uint32_t, Sample>> folded;  // (kept parent, total of a dropped subtree)
  for (size_t i = 1; i < full.nodes.size(); ++i) {
    const FlameGraph::Node& node = full.nodes[i];
    const uint32_t parent = kept[node.parent];
    if (parent == kDropped) continue;
    // Equal values may not all fit: the first ones win, so the limit holds exactly.
    if (node.total.value < smallest_kept || pruned.nodes.size() > max_nodes) {
      folded.emplace_back(parent, node.total);
      continue;
    }
    const auto [name, is_new] = names.try_emplace(node.name, static_cast<uint32_t>(pruned.names.size()));
    if (is_new) pruned.names.push_back(full.names[node.name]);
    kept[i] = static_cast<uint32_t>(pruned.nodes.size());
    pruned.nodes.push_back(
        {.parent = parent, .name = name->second, .kind = node.kind, .self = node.self, .total = node.total});
  }
  if (folded.empty()) return pruned;

  const auto other_name = static_cast<uint32_t>(pruned.names.size());
  pruned.names.emplace_back("other");
  absl::flat_hash_map<uint32_t, uint32_t> others;  // parent → its "other" node
  for (const auto& [parent, total] : folded) {
    const auto [other, is_new] = others.try_emplace(parent, static_cast<uint32_t>(pruned.nodes.size()));
    if (is_new) {
      pruned.nodes.push_back(
          {.parent = parent, .name = other_name, .kind = FrameKind::kSynthetic, .self = {}, .total = {}});
    }
    Add(pruned.nodes[other->second].self, total);
    Add(pruned.nodes[other->second].total, total);
  }
  return pruned;
}

}  // namespace

FlameGraph BuildFlameGraph(const Profile& profile, size_t max_nodes) {
  FlameGraph graph = MergeByFunction(profile);
  FillTotals(graph);
  if (max_nodes == 0 || graph.nodes.size() - 1 <= max_nodes) return graph;
  return Prune(graph, max_nodes);
}

}  // namespace pilotlight
