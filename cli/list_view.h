// How `pilotlight list` looks.
#pragma once

#include <cstddef>
#include <string>

#include "cli/source_files.h"
#include "cli/top_view.h"
#include "profile/listing.h"

namespace pilotlight::cli {

// For people: a head, then the lines of each function with their cost and, where `sources` has the file,
// their text. Of `head` its answer's quality and type count. `width` 0: no limit.
std::string ListText(const Listing& listing, const TopView& head, const SourceFiles& sources, size_t width,
                     bool colour, absl::TimeZone zone);

// exporters/json.h's WriteListJson with "subject", "quality" and, as RFC 3339, "start" and "end".
std::string ListJson(const Listing& listing, const TopView& head);

}  // namespace pilotlight::cli
