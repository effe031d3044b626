// Flame graphs as the JSON of Pyroscope's /pyroscope/render and /pyroscope/render-diff: flamebearer,
// version 1.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "exporters/flamebearer.h"
#include "profile/profile.h"

namespace pilotlight {

struct FlamebearerTimeline {
  int64_t start_unix_s = 0;
  int64_t step_s = 0;
  std::vector<int64_t> values;  // of each step
};

// `groups`, by the value of a label, are parts of `timeline`.
std::string WriteFlamebearerJson(const Flamebearer& graph, const ProfileType& type,
                                 const FlamebearerTimeline& timeline,
                                 const std::map<std::string, FlamebearerTimeline>& groups);
std::string WriteFlamebearerDiffJson(const FlamebearerDiff& diff, const ProfileType& type);

}  // namespace pilotlight
