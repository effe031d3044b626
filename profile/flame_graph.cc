#include "profile/flame_graph.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "profile/prune.h"

namespace pilotlight {
namespace {

FlameGraph MergeByFunction(const Profile& profile) {
  const StackTrie& trie = profile.trie;
  // Only nodes that lead to a sample take part.
  std::vector<bool> used(trie.node_count());
  used[StackTrie::kRoot] = true;
  size_t used_count = 1;
  for (const Sample& sample : profile.samples) {
    for (NodeId node = sample.node; !used[node]; node = trie.parent(node)) {
      used[node] = true;
      ++used_count;
    }
  }

  FlameGraph graph;
  graph.names.emplace_back("total");
  graph.nodes.reserve(used_count);
  graph.nodes.emplace_back();
  std::vector<uint32_t> name_of(trie.string_count());  // 0: none yet
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, uint32_t> children;
  children.reserve(used_count);
  std::vector<uint32_t> merged(trie.node_count());
  for (NodeId node = 1; node < trie.node_count(); ++node) {
    if (!used[node]) continue;
    const Frame& frame = trie.frame(trie.frame_of(node));
    uint32_t& name = name_of[frame.function];
    if (name == 0) {
      name = static_cast<uint32_t>(graph.names.size());
      graph.names.emplace_back(trie.string(frame.function));
    }
    const uint32_t parent = merged[trie.parent(node)];
    const auto [child, child_is_new] =
        children.try_emplace({parent, name}, static_cast<uint32_t>(graph.nodes.size()));
    if (child_is_new) {
      graph.nodes.push_back({.parent = parent, .name = name, .kind = frame.kind, .self = {}, .total = {}});
    }
    merged[node] = child->second;
  }
  for (const Sample& sample : profile.samples) graph.nodes[merged[sample.node]].self += sample;
  return graph;
}

void FillTotals(FlameGraph& graph) {
  for (FlameGraph::Node& node : graph.nodes) node.total = node.self;
  for (size_t i = graph.nodes.size(); i-- > 1;)
    graph.nodes[graph.nodes[i].parent].total += graph.nodes[i].total;
}

}  // namespace

FlameGraph BuildFlameGraph(const Profile& profile, size_t max_nodes) {
  FlameGraph graph = MergeByFunction(profile);
  FillTotals(graph);
  if (max_nodes == 0 || graph.nodes.size() - 1 <= max_nodes) return graph;
  return PruneGraph(graph, max_nodes, [](const FlameGraph::Node& node) { return node.total.value; });
}

}  // namespace pilotlight
