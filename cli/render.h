// Profiles in the formats that -o names.
#pragma once

#include <cstddef>
#include <string>

#include "cli/output.h"
#include "exporters/svg.h"
#include "profile/flame_graph.h"
#include "profile/profile.h"

namespace pilotlight::cli {

// How an svg looks.
struct Picture {
  std::string title = {};  // what the profile is of when empty
  std::string subject;     // goes under it
  SvgLayout layout = SvgLayout::kIcicle;
};

// `max_nodes` (0: no limit) is for svg, json and cpuprofile.
std::string Render(const Profile& profile, ProfileFormat format, size_t max_nodes, const Picture& picture);

// REQUIRES: format is svg or json; the others need whole stacks.
std::string RenderFlameGraph(const FlameGraph& graph, const ProfileType& type, ProfileFormat format,
                             const Picture& picture);

}  // namespace pilotlight::cli
