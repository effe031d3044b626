// A flame graph in Pyroscope's encoding, as Grafana reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "profile/flame_graph.h"

namespace pilotlight {

// levels[d] is the bars of depth d, left to right, four numbers each:
//   distance from the end of the bar before it (the first one's from 0), total, self, index into `names`.
// Bars have no width of 0. Children lie within their parent, after as much as it has itself; readers know
// them by that alone.
struct Flamebearer {
  std::vector<std::string> names;  // without duplicates; names[0] is "total"
  std::vector<std::vector<int64_t>> levels;
  int64_t total = 0;
  int64_t max_self = 0;
};

// Of the values. Those below 0, as differences have them, count as 0.
Flamebearer EncodeFlamebearer(const FlameGraph& graph);

// Two graphs as one: seven numbers a bar, the first three of the left graph, the same three of the right one,
// index into `names`. A bar may have no width on one side.
struct FlamebearerDiff {
  Flamebearer both;  // total and max_self of both sides together
  int64_t left_total = 0;
  int64_t right_total = 0;
};
// At most `max_nodes` nodes beside the root and "other", as BuildFlameGraph() does; give it graphs that are
// whole.
FlamebearerDiff EncodeFlamebearerDiff(const FlameGraph& left, const FlameGraph& right, size_t max_nodes);

}  // namespace pilotlight
