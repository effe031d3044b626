// Text in terminal columns: wide and combining characters, and names that would not fit.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace pilotlight::cli {

// Columns that `text` takes on a terminal.
size_t DisplayWidth(absl::string_view text);

// `text` in at most `width` columns: where it is longer, its middle becomes "…", since the package at the
// front and the method at the end both say who it is. REQUIRES: width ≥ 1.
std::string CutMiddle(absl::string_view text, size_t width);

}  // namespace pilotlight::cli
