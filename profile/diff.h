// What changed from one profile, the base, to another, the comparison, and which of it is more than chance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "profile/profile.h"
#include "profile/top.h"

namespace pilotlight {

// Of the differences called significant, one in twenty at most is expected to be chance.
inline constexpr double kFalseDiscoveryRate = 0.05;

// One amount on both sides.
struct Difference {
  Sample base;  // `node` is not used
  Sample comparison;
  // That the shares of the samples are the same, corrected for all functions of the table, or all nodes of
  // the graph (profile/statistics.h). 1 where it was not tested.
  double p_value = 1;

  bool significant() const { return p_value <= kFalseDiscoveryRate; }
  Difference& operator+=(const Difference& other) {
    base += other.base;
    comparison += other.comparison;
    return *this;
  }
};

struct DiffTotals {
  ProfileTotals base;
  ProfileTotals comparison;
};

// By how much the share of the total value is larger in the comparison. Windows differ in length and load, so
// this is what orders a diff, not the difference of the values. A share of nothing is 0.
double ShareChange(const Difference& difference, const DiffTotals& totals);

struct DiffRow {
  std::string function;
  std::string file;  // of its first frame seen
  FrameKind kind = FrameKind::kUnknown;
  Difference flat;
  Difference cumulative;
};

struct DiffTable {
  DiffTotals total;
  std::vector<DiffRow> rows;    // the largest change of the share first, equal ones by name
  size_t all_rows = 0;          // functions of both sides, before the cut at `limit`
  size_t significant_flat = 0;  // of all rows
  size_t significant_cumulative = 0;
};

// Parents stand before their children; node 0 is the root, named "total".
struct DiffGraph {
  struct Node {
    uint32_t parent = 0;
    uint32_t name = 0;  // index into `names`
    FrameKind kind = FrameKind::kUnknown;
    Difference self;   // not tested
    Difference total;  // with all its descendants

    void Absorb(const Node& other) {
      self += other.total;
      total += other.total;
    }
  };
  std::vector<std::string> names;  // without duplicates; names[0] is "total"
  std::vector<Node> nodes;
};

// Whether the counts of such a profile are of samples, so that chance can be told from change. Those of
// others are exact, or estimates from far fewer samples than they say: they are not tested.
bool CountsSamples(const ProfileType& type);

// Both by function name; profiles of different types are InvalidArgument. `limit` 0 means all.
absl::StatusOr<DiffTable> BuildDiff(const Profile& base, const Profile& comparison, TopOrder order,
                                    size_t limit);
// Cut as BuildFlameGraph() does; a node is as large as its shares of both sides together.
absl::StatusOr<DiffGraph> BuildDiffGraph(const Profile& base, const Profile& comparison,
                                         size_t max_nodes = 0);

}  // namespace pilotlight
