// How `pilotlight query --share` looks: what part of its series a function is, over time.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/collector_client.h"

namespace pilotlight::cli {

// `part` and `whole` are of one span, step and grouping. Where `part` has no point its samples are 0; what
// only `part` has was stored between the two questions and is left out.
//
// As SeriesText(), with shares of the samples and their 95 % intervals.
std::string SeriesShareText(const SeriesAnswer& part, const SeriesAnswer& whole, const TimeSpan& span,
                            const std::vector<std::string>& group_by, size_t limit, size_t width, bool colour,
                            absl::TimeZone zone);

// As SeriesJson(); a point is {"start", "part": {"start", "samples", "value", "estimated_value"}, "whole":
// likewise, "share": of the samples, "share_interval": [lower, upper]}.
std::string SeriesShareJson(const SeriesAnswer& part, const SeriesAnswer& whole, const TimeSpan& span);

}  // namespace pilotlight::cli
