#include "cli/series_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/sparkline.h"
#include "cli/table.h"
#include "exporters/format.h"

namespace pilotlight::cli {
namespace {

constexpr size_t kBarWidth = 24;

bool IsCpu(const ProfileType& type) { return type.sample_type == "cpu" && type.sample_unit == "nanoseconds"; }

// The whole step's value as people read it: cores for CPU time, else a value per second.
double Rate(double value, absl::Duration length, const ProfileType& type) {
  const double seconds = absl::ToDoubleSeconds(length);
  if (seconds <= 0) return 0;
  return IsCpu(type) ? value / (seconds * 1e9) : value / seconds;
}

std::string RateText(double rate, const ProfileType& type) {
  if (IsCpu(type)) return absl::StrFormat("%.3f", rate);
  return absl::StrCat(FormatValue(static_cast<int64_t>(rate), type.sample_unit), "/s");
}

std::string StepsText(const SeriesAnswer& answer, const TimeSpan& span, size_t width, bool colour,
                      absl::TimeZone zone) {
  const SeriesAnswer::OneSeries& series = answer.series.front();
  double largest = 0;
  for (const SeriesAnswer::Point& point : series.points) largest = std::max(largest, point.estimated_value);
  Table table({{"start"},
               {"samples", Align::kRight},
               {"sampled", Align::kRight},
               {IsCpu(answer.type) ? "cores" : "rate", Align::kRight},
               {""}});
  for (const SeriesAnswer::Point& point : series.points) {
    table.AddRow(
        {{StepText(point.start, span, zone)},
         {FormatCount(static_cast<int64_t>(point.samples))},
         {FormatValue(point.value, answer.type.sample_unit)},
         {RateText(Rate(point.estimated_value, answer.step, answer.type), answer.type), Style::kBold},
         {largest > 0 ? Bar(point.estimated_value / largest, kBarWidth) : "", Style::kYellow}});
  }
  return table.Render(width, colour);
}

std::string SummaryText(const SeriesAnswer& answer, const TimeSpan& span,
                        const std::vector<std::string>& group_by, size_t limit, size_t width, bool colour) {
  const std::string unit = IsCpu(answer.type) ? "cores" : "rate";
  std::vector<Column> columns = LabelColumns(group_by);
  columns.push_back({unit, Align::kRight});
  columns.push_back({"highest", Align::kRight});
  columns.push_back({"last", Align::kRight});
  columns.push_back({"samples", Align::kRight});
  columns.push_back({"over time"});
  Table table(std::move(columns));
  const size_t shown = limit == 0 ? answer.series.size() : std::min(limit, answer.series.size());
  for (size_t i = 0; i < shown; ++i) {
    const SeriesAnswer::OneSeries& series = answer.series[i];
    std::vector<Cell> cells = LabelCells(series.labels, group_by);
    uint64_t samples = 0;
    double estimated = 0;
    double highest = 0;
    for (const SeriesAnswer::Point& point : series.points) {
      samples += point.samples;
      estimated += point.estimated_value;
      highest = std::max(highest, point.estimated_value);
    }
    const double last = series.points.empty() ? 0 : series.points.back().estimated_value;
    const auto text = [&answer](double value, absl::Duration length) {
      return RateText(Rate(value, length, answer.type), answer.type);
    };
    // Steps without a point were not watched.
    const absl::Duration watched = answer.step * static_cast<int64_t>(series.points.size());
    cells.push_back({text(estimated, watched), Style::kBold});
    cells.push_back({text(highest, answer.step)});
    cells.push_back({text(last, answer.step)});
    cells.push_back({FormatCount(static_cast<int64_t>(samples))});
    std::vector<std::optional<double>> values;
    for (const SeriesAnswer::Point* point : PointsBySteps(series, answer.step, span)) {
      values.push_back(point == nullptr ? std::nullopt : std::optional(point->estimated_value));
    }
    cells.push_back({Sparkline(values, SparklineWidth(width)), Style::kYellow});
    table.AddRow(std::move(cells));
  }
  return absl::StrCat(table.Render(width, colour), MoreText(answer.series.size() - shown, "series", colour));
}

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

}  // namespace

std::vector<const SeriesAnswer::Point*> PointsBySteps(const SeriesAnswer::OneSeries& series,
                                                      absl::Duration step, const TimeSpan& span) {
  std::vector<const SeriesAnswer::Point*> by_steps;
  if (step <= absl::ZeroDuration()) return by_steps;
  absl::Duration rest;
  // The collector has a limit on steps; this one only protects from nonsense.
  constexpr int64_t kMaxSteps = 1'000'000;
  const int64_t steps = absl::IDivDuration(span.end - span.start + step - absl::Nanoseconds(1), step, &rest);
  by_steps.resize(static_cast<size_t>(std::clamp<int64_t>(steps, 0, kMaxSteps)));
  for (const SeriesAnswer::Point& point : series.points) {
    const int64_t i = absl::IDivDuration(point.start - span.start, step, &rest);
    if (i >= 0 && static_cast<size_t>(i) < by_steps.size()) by_steps[static_cast<size_t>(i)] = &point;
  }
  return by_steps;
}

std::string SeriesHead(const SeriesAnswer& answer, const TimeSpan& span, absl::TimeZone zone) {
  std::string labels;
  if (answer.series.size() == 1) {
    for (const auto& [name, value] : answer.series.front().labels) {
      absl::StrAppend(&labels, labels.empty() ? "{" : ", ", name, "=\"", value, "\"");
    }
    if (!labels.empty()) absl::StrAppend(&labels, "}, ");
  }
  return absl::StrCat(labels, SpanText(span, zone), ", steps of ", FormatTimeSpan(answer.step), "\n\n");
}

std::string StepText(absl::Time start, const TimeSpan& span, absl::TimeZone zone) {
  const bool one_day = absl::FormatTime("%F", span.start, zone) == absl::FormatTime("%F", span.end, zone);
  return absl::FormatTime(one_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", start, zone);
}

std::vector<Column> LabelColumns(const std::vector<std::string>& group_by) {
  std::vector<Column> columns;
  for (const std::string& name : group_by) {
    columns.push_back({name, Align::kLeft, /*shrinks=*/name == group_by.front()});
  }
  return columns;
}

std::vector<Cell> LabelCells(const Labels& labels, const std::vector<std::string>& group_by) {
  std::vector<Cell> cells;
  for (const std::string& name : group_by) {
    const auto label = labels.find(name);
    cells.push_back(label == labels.end() ? Cell{"(none)", Style::kDim} : Cell{label->second});
  }
  return cells;
}

size_t SparklineWidth(size_t width) {
  // Where the output has no width of its own.
  constexpr size_t kWidth = 60;
  return width == 0 ? kWidth : std::clamp<size_t>(width / 3, 10, kWidth);
}

std::string SeriesText(const SeriesAnswer& answer, const TimeSpan& span,
                       const std::vector<std::string>& group_by, size_t limit, size_t width, bool colour,
                       absl::TimeZone zone) {
  return absl::StrCat(SeriesHead(answer, span, zone),
                      answer.series.size() == 1 ? StepsText(answer, span, width, colour, zone)
                                                : SummaryText(answer, span, group_by, limit, width, colour));
}

std::string SeriesJson(const SeriesAnswer& about, const TimeSpan& span, nlohmann::json series) {
  const nlohmann::json json = {{"type", about.type.ToString()},
                               {"unit", about.type.sample_unit},
                               {"start", Rfc3339(span.start)},
                               {"end", Rfc3339(span.end)},
                               {"step_seconds", absl::ToDoubleSeconds(about.step)},
                               {"series", std::move(series)}};
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

nlohmann::json PointJson(const SeriesAnswer::Point& point) {
  return {{"start", Rfc3339(point.start)},
          {"samples", point.samples},
          {"value", point.value},
          {"estimated_value", point.estimated_value}};
}

std::string SeriesJson(const SeriesAnswer& answer, const TimeSpan& span) {
  nlohmann::json all = nlohmann::json::array();
  for (const SeriesAnswer::OneSeries& series : answer.series) {
    nlohmann::json points = nlohmann::json::array();
    for (const SeriesAnswer::Point& point : series.points) points.push_back(PointJson(point));
    all.push_back({{"labels", series.labels}, {"points", std::move(points)}});
  }
  return SeriesJson(answer, span, std::move(all));
}

}  // namespace pilotlight::cli
