// The call graph for Graphviz.
#pragma once

#include <cstddef>
#include <string>

#include "profile/profile.h"

namespace pilotlight {

// Functions with their own and their cumulative value, calls with what went through them, recursion counted
// once. At most `max_functions` with the largest cumulative values; calls over others are left out. 0 means
// all.
std::string WriteDot(const Profile& profile, size_t max_functions = 80);

}  // namespace pilotlight
