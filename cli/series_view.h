// How `pilotlight query` looks.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/collector_client.h"

namespace pilotlight::cli {

// One line for each of the largest `limit` (0: all) series, with a sparkline; a lone series has one line for
// each step instead.
std::string SeriesText(const SeriesAnswer& answer, const TimeSpan& span,
                       const std::vector<std::string>& group_by, size_t limit, size_t width, bool colour,
                       absl::TimeZone zone);

// {"type", "unit", "start", "end", "step_seconds", "series": [{"labels": {…},
//   "points": [{"start", "samples", "value", "estimated_value"}, …]}, …]}; times are RFC 3339.
std::string SeriesJson(const SeriesAnswer& answer, const TimeSpan& span);

}  // namespace pilotlight::cli
