// V8's .cpuprofile, for the performance panels of Chrome and of editors.
#pragma once

#include <string>

#include "profile/flame_graph.h"
#include "profile/profile.h"

namespace pilotlight {

// The format has a time for each sample; a merged profile has none, so each node's own part follows the one
// before it. A nanosecond of the value is a nanosecond there; of other units, one is shown as a microsecond.
std::string WriteCpuProfile(const FlameGraph& graph, const ProfileType& type);

}  // namespace pilotlight
