// Label selectors as text: {service_name="shop", pod=~"shop-.*"}.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace pilotlight {

// A value with its quotes.
std::string QuoteForSelector(absl::string_view text);

}  // namespace pilotlight
