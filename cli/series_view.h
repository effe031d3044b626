// How `pilotlight query` looks.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/collector_client.h"
#include "cli/table.h"
#include "nlohmann/json_fwd.hpp"

namespace pilotlight::cli {

// A point for each step of the span, null where nothing was watched.
std::vector<const SeriesAnswer::Point*> PointsBySteps(const SeriesAnswer::OneSeries& series,
                                                      absl::Duration step, const TimeSpan& span);
// What stands above a table of series: labels of a lone one, span and step.
std::string SeriesHead(const SeriesAnswer& answer, const TimeSpan& span, absl::TimeZone zone);
// The start of a step, without the date when the span is of one day.
std::string StepText(absl::Time start, const TimeSpan& span, absl::TimeZone zone);
// The front of a table with one line for each series.
std::vector<Column> LabelColumns(const std::vector<std::string>& group_by);
std::vector<Cell> LabelCells(const Labels& labels, const std::vector<std::string>& group_by);
size_t SparklineWidth(size_t width);
nlohmann::json PointJson(const SeriesAnswer::Point& point);
// SeriesJson() with these series.
std::string SeriesJson(const SeriesAnswer& about, const TimeSpan& span, nlohmann::json series);

// One line for each of the largest `limit` (0: all) series, with a sparkline; a lone series has one line for
// each step instead.
std::string SeriesText(const SeriesAnswer& answer, const TimeSpan& span,
                       const std::vector<std::string>& group_by, size_t limit, size_t width, bool colour,
                       absl::TimeZone zone);

// {"type", "unit", "start", "end", "step_seconds", "series": [{"labels": {…},
//   "points": [{"start", "samples", "value", "estimated_value"}, …]}, …]}; times are RFC 3339.
std::string SeriesJson(const SeriesAnswer& answer, const TimeSpan& span);

}  // namespace pilotlight::cli
