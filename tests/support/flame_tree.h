// Flame graphs as what people see in them, to compare those of different encodings.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "exporters/flamebearer.h"

namespace pilotlight {

// A stack's path of names → its self and total value.
using FlameTree = std::map<std::vector<std::string>, std::pair<int64_t, int64_t>>;

// As the data source does: a bar's parent is the one above it in which it lies.
inline FlameTree DecodeFlamebearer(const Flamebearer& encoded) {
  struct Bar {
    int64_t begin, end;
    std::vector<std::string> path;
  };
  FlameTree tree;
  std::vector<Bar> above = {{0, encoded.total, {}}};
  for (const std::vector<int64_t>& level : encoded.levels) {
    std::vector<Bar> bars;
    int64_t x = 0;
    size_t parent = 0;
    for (size_t i = 0; i + 3 < level.size(); i += 4) {
      EXPECT_GE(level[i], 0);
      EXPECT_GT(level[i + 1], 0);
      x += level[i];
      while (above[parent].end <= x) EXPECT_LT(++parent, above.size());
      EXPECT_GE(x, above[parent].begin);
      EXPECT_LE(x + level[i + 1], above[parent].end);
      std::vector<std::string> path = above[parent].path;
      path.push_back(encoded.names[static_cast<size_t>(level[i + 3])]);
      EXPECT_TRUE(tree.try_emplace(path, level[i + 2], level[i + 1]).second);
      bars.push_back({x, x + level[i + 1], path});
      x += level[i + 1];
    }
    above = std::move(bars);
  }
  return tree;
}

inline FlameTree FlameTreeOf(const FlameGraph& graph) {
  FlameTree tree;
  std::vector<std::vector<std::string>> paths(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const FlameGraph::Node& node = graph.nodes[i];
    if (i > 0) paths[i] = paths[node.parent];
    paths[i].push_back(graph.names[node.name]);
    if (node.total.value > 0) tree[paths[i]] = {node.self.value, node.total.value};
  }
  return tree;
}

}  // namespace pilotlight
