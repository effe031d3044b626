// A profile as people look at it: merged by function name, with totals, small parts folded together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight {

// Of a leaf that stands for what was folded together; its kind is kSynthetic.
inline constexpr absl::string_view kOtherName = "other";

// Parents stand before their children; node 0 is the root, named "total".
struct FlameGraph {
  struct Node {
    uint32_t parent = 0;
    uint32_t name = 0;  // index into `names`
    FrameKind kind = FrameKind::kUnknown;
    Sample self;   // `node` is not used
    Sample total;  // with all its descendants

    void Absorb(const Node& other) {
      self += other.total;
      total += other.total;
    }
  };
  std::vector<std::string> names;  // without duplicates; names[0] is "total"
  std::vector<Node> nodes;

  bool IsOther(uint32_t node) const {
    return nodes[node].kind == FrameKind::kSynthetic && names[nodes[node].name] == kOtherName;
  }
};

// At most `max_nodes` nodes beside the root are kept, those with the largest values; the rest of each
// parent's children become one leaf named "other", so every total stays exact. 0 means no limit.
FlameGraph BuildFlameGraph(const Profile& profile, size_t max_nodes = 0);

}  // namespace pilotlight
