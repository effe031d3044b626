#include "exporters/flamebearer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace pilotlight {
namespace {

// Of the left and the right graph; of one graph alone the right one's are 0.
using Sides = std::array<int64_t, 2>;

void Add(const Sides& from, Sides& to) {
  to[0] += from[0];
  to[1] += from[1];
}

int64_t Sum(const Sides& sides) { return sides[0] + sides[1]; }

// A parent stands before its children.
struct Node {
  uint32_t parent = 0;
  absl::string_view name;
  Sides self = {};
  Sides total = {};
};

void FillTotals(std::vector<Node>& nodes) {
  for (Node& node : nodes) node.total = node.self;
  for (size_t i = nodes.size(); i-- > 1;) Add(nodes[i].total, nodes[nodes[i].parent].total);
}

std::vector<Node> Merge(const FlameGraph& left, const FlameGraph& right) {
  std::vector<Node> nodes = {{.name = "total"}};
  absl::flat_hash_map<std::pair<uint32_t, absl::string_view>, uint32_t> children;
  const auto add = [&](const FlameGraph& graph, size_t side) {
    std::vector<uint32_t> merged(graph.nodes.size());
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const FlameGraph::Node& node = graph.nodes[i];
      if (i > 0) {
        const uint32_t parent = merged[node.parent];
        const absl::string_view name = graph.names[node.name];
        const auto [child, is_new] =
            children.try_emplace({parent, name}, static_cast<uint32_t>(nodes.size()));
        if (is_new) nodes.push_back({.parent = parent, .name = name});
        merged[i] = child->second;
      }
      nodes[merged[i]].self[side] += std::max<int64_t>(node.self.value, 0);
    }
  };
  add(left, 0);
  add(right, 1);
  FillTotals(nodes);
  return nodes;
}

std::vector<Node> Prune(const std::vector<Node>& full, size_t max_nodes) {
  if (full.size() - 1 <= max_nodes) return full;
  std::vector<int64_t> sizes;
  for (size_t i = 1; i < full.size(); ++i) sizes.push_back(Sum(full[i].total));
  const auto last = sizes.begin() + static_cast<ptrdiff_t>(max_nodes);
  std::nth_element(sizes.begin(), last, sizes.end(), std::greater<>());
  const int64_t too_small = *last;

  constexpr uint32_t kDropped = UINT32_MAX;
  std::vector<uint32_t> kept(full.size(), kDropped);
  std::vector<Node> pruned = {full[0]};
  kept[0] = 0;
  std::vector<Node> others;
  absl::flat_hash_map<uint32_t, size_t> other_of;  // parent → index into `others`
  for (size_t i = 1; i < full.size(); ++i) {
    Node node = full[i];
    node.parent = kept[node.parent];
    if (node.parent == kDropped) continue;
    if (Sum(node.total) > too_small) {
      kept[i] = static_cast<uint32_t>(pruned.size());
      pruned.push_back(node);
      continue;
    }
    const auto [other, is_new] = other_of.try_emplace(node.parent, others.size());
    if (is_new) others.push_back({.parent = node.parent, .name = kOtherName});
    Add(node.total, others[other->second].self);
    Add(node.total, others[other->second].total);
  }
  pruned.insert(pruned.end(), others.begin(), others.end());
  return pruned;
}

// Where a node is drawn.
struct Bar {
  Sides x = {};
  Sides next_child_x = {};
  size_t depth = 0;
};

std::vector<Bar> LayOut(const std::vector<Node>& nodes) {
  std::vector<Bar> bars(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (i > 0) {
      Bar& parent = bars[nodes[i].parent];
      bars[i].x = parent.next_child_x;
      bars[i].depth = parent.depth + 1;
      Add(nodes[i].total, parent.next_child_x);
    }
    bars[i].next_child_x = bars[i].x;
    Add(nodes[i].self, bars[i].next_child_x);
  }
  return bars;
}

Flamebearer Encode(const std::vector<Node>& nodes, size_t sides) {
  const std::vector<Bar> bars = LayOut(nodes);
  std::vector<uint32_t> order;  // by depth, then from left to right
  for (uint32_t i = 0; i < bars.size(); ++i) {
    if (Sum(nodes[i].total) > 0) order.push_back(i);
  }
  std::ranges::sort(order, [&bars](uint32_t a, uint32_t b) {
    return bars[a].depth != bars[b].depth ? bars[a].depth < bars[b].depth : Sum(bars[a].x) < Sum(bars[b].x);
  });

  Flamebearer out;
  out.names.emplace_back("total");
  out.total = Sum(nodes[0].total);
  absl::flat_hash_map<absl::string_view, int64_t> names = {{"total", 0}};
  Sides end = {};
  for (const uint32_t i : order) {
    const Node& node = nodes[i];
    if (bars[i].depth == out.levels.size()) {
      out.levels.emplace_back();
      end = {};
    }
    std::vector<int64_t>& level = out.levels.back();
    for (size_t side = 0; side < sides; ++side) {
      level.insert(level.end(), {bars[i].x[side] - end[side], node.total[side], node.self[side]});
      end[side] = bars[i].x[side] + node.total[side];
      out.max_self = std::max(out.max_self, node.self[side]);
    }
    const auto [name, is_new] = names.try_emplace(node.name, static_cast<int64_t>(out.names.size()));
    if (is_new) out.names.emplace_back(node.name);
    level.push_back(name->second);
  }
  return out;
}

}  // namespace

Flamebearer EncodeFlamebearer(const FlameGraph& graph) {
  std::vector<Node> nodes;
  nodes.reserve(graph.nodes.size());
  for (const FlameGraph::Node& node : graph.nodes) {
    nodes.push_back({.parent = node.parent,
                     .name = graph.names[node.name],
                     .self = {std::max<int64_t>(node.self.value, 0), 0}});
  }
  FillTotals(nodes);
  return Encode(nodes, /*sides=*/1);
}

FlamebearerDiff EncodeFlamebearerDiff(const FlameGraph& left, const FlameGraph& right, size_t max_nodes) {
  const std::vector<Node> nodes = Prune(Merge(left, right), max_nodes);
  return {Encode(nodes, /*sides=*/2), nodes[0].total[0], nodes[0].total[1]};
}

}  // namespace pilotlight
