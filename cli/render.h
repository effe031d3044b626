// Profiles in the formats that -o names.
#pragma once

#include <cstddef>
#include <string>

#include "cli/output.h"
#include "profile/flame_graph.h"
#include "profile/profile.h"

namespace pilotlight::cli {

// `max_nodes` (0: no limit) is for svg, json and cpuprofile; `subject`, which goes under the title, for svg.
std::string Render(const Profile& profile, ProfileFormat format, size_t max_nodes,
                   const std::string& subject);

// REQUIRES: format is svg or json; the others need whole stacks.
std::string RenderFlameGraph(const FlameGraph& graph, const ProfileType& type, ProfileFormat format,
                             const std::string& subject);

}  // namespace pilotlight::cli
