// Names of labels.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace pilotlight {

// Of series that hold, with the value "true", the samples of too many label sets.
inline constexpr absl::string_view kOverflowLabel = "overflow";

// Whether a label may be called so: [a-zA-Z_][a-zA-Z0-9_]* without "__" in front.
bool IsValidLabelName(absl::string_view name);

// `text` as a label may be called: '_' for each other character. Empty when `text` is.
std::string ToLabelName(absl::string_view text);

}  // namespace pilotlight
