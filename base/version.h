// The version of this build; CMake's project version.
#pragma once

#include "absl/strings/string_view.h"

namespace pilotlight {

inline constexpr absl::string_view kVersion = PILOTLIGHT_VERSION;

}  // namespace pilotlight
