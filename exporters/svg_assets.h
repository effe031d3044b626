// The fixed parts of an SVG flame graph. Private to the SVG writer.
#pragma once

#include "absl/strings/string_view.h"

namespace pilotlight {

extern const absl::string_view kSvgStyle;
extern const absl::string_view kSvgScript;

}  // namespace pilotlight
