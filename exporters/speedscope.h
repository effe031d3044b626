// The file format of https://www.speedscope.app, which other viewers read too.
#pragma once

#include <string>

#include "profile/profile.h"

namespace pilotlight {

// One profile of whole stacks, weighed by their values; those without a positive value are left out.
std::string WriteSpeedscope(const Profile& profile);

}  // namespace pilotlight
