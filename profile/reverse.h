// Stacks turned around: the function that ran comes first, then who called it, as `flamegraph.pl --reverse`
// draws them.
#pragma once

#include "profile/profile.h"

namespace pilotlight {

// The leaf becomes the outermost frame. No sample is lost.
void ReverseStacks(Profile& profile);

}  // namespace pilotlight
