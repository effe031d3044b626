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

// Where the output has no width of its own.
constexpr size_t kSparklineWidth = 60;
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

// A value for each step of the span.
std::vector<std::optional<double>> Rates(const SeriesAnswer::OneSeries& series, const SeriesAnswer& answer,
                                         const TimeSpan& span) {
  std::vector<std::optional<double>> rates;
  if (answer.step <= absl::ZeroDuration()) return rates;
  absl::Duration rest;
  // The collector has a limit on steps; this one only protects from nonsense.
  constexpr int64_t kMaxSteps = 1'000'000;
  const int64_t steps =
      absl::IDivDuration(span.end - span.start + answer.step - absl::Nanoseconds(1), answer.step, &rest);
  rates.resize(static_cast<size_t>(std::clamp<int64_t>(steps, 0, kMaxSteps)));
  for (const SeriesAnswer::Point& point : series.points) {
    const int64_t step = absl::IDivDuration(point.start - span.start, answer.step, &rest);
    if (step < 0 || static_cast<size_t>(step) >= rates.size()) continue;
    rates[static_cast<size_t>(step)] = Rate(point.estimated_value, answer.step, answer.type);
  }
  return rates;
}

std::string StepsText(const SeriesAnswer& answer, const TimeSpan& span, size_t width, bool colour,
                      absl::TimeZone zone) {
  const SeriesAnswer::OneSeries& series = answer.series.front();
  const bool one_day = absl::FormatTime("%F", span.start, zone) == absl::FormatTime("%F", span.end, zone);
  double largest = 0;
  for (const SeriesAnswer::Point& point : series.points) largest = std::max(largest, point.estimated_value);
  Table table({{"start"},
               {"samples", Align::kRight},
               {"sampled", Align::kRight},
               {IsCpu(answer.type) ? "cores" : "rate", Align::kRight},
               {""}});
  for (const SeriesAnswer::Point& point : series.points) {
    table.AddRow(
        {{absl::FormatTime(one_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", point.start, zone)},
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
  std::vector<Column> columns;
  columns.reserve(group_by.size() + 5);
  for (const std::string& name : group_by) {
    columns.push_back({name, Align::kLeft, /*shrinks=*/name == group_by.front()});
  }
  columns.push_back({unit, Align::kRight});
  columns.push_back({"highest", Align::kRight});
  columns.push_back({"last", Align::kRight});
  columns.push_back({"samples", Align::kRight});
  columns.push_back({"over time"});
  Table table(std::move(columns));
  const size_t sparkline_width = width == 0 ? kSparklineWidth : std::clamp<size_t>(width / 3, 10, 60);
  const size_t shown = limit == 0 ? answer.series.size() : std::min(limit, answer.series.size());
  for (size_t i = 0; i < shown; ++i) {
    const SeriesAnswer::OneSeries& series = answer.series[i];
    std::vector<Cell> cells;
    for (const std::string& name : group_by) {
      const auto label = series.labels.find(name);
      cells.push_back(label == series.labels.end() ? Cell{"(none)", Style::kDim} : Cell{label->second});
    }
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
    cells.push_back({Sparkline(Rates(series, answer, span), sparkline_width), Style::kYellow});
    table.AddRow(std::move(cells));
  }
  std::string text = table.Render(width, colour);
  if (shown < answer.series.size()) {
    absl::StrAppend(&text,
                    Styled(absl::StrCat("and ", answer.series.size() - shown, " more series; -n 0 shows all"),
                           Style::kDim, colour),
                    "\n");
  }
  return text;
}

}  // namespace

std::string SeriesText(const SeriesAnswer& answer, const TimeSpan& span,
                       const std::vector<std::string>& group_by, size_t limit, size_t width, bool colour,
                       absl::TimeZone zone) {
  const std::string head =
      absl::StrCat(SpanText(span, zone), ", steps of ", FormatTimeSpan(answer.step), "\n\n");
  if (answer.series.size() == 1) {
    std::string labels;
    for (const auto& [name, value] : answer.series.front().labels) {
      absl::StrAppend(&labels, labels.empty() ? "" : ", ", name, "=\"", value, "\"");
    }
    if (!labels.empty()) labels = absl::StrCat("{", labels, "}, ");
    return absl::StrCat(labels, head, StepsText(answer, span, width, colour, zone));
  }
  return absl::StrCat(head, SummaryText(answer, span, group_by, limit, width, colour));
}

std::string SeriesJson(const SeriesAnswer& answer, const TimeSpan& span) {
  const auto time_text = [](absl::Time time) {
    return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
  };
  nlohmann::json all = nlohmann::json::array();
  for (const SeriesAnswer::OneSeries& series : answer.series) {
    nlohmann::json points = nlohmann::json::array();
    for (const SeriesAnswer::Point& point : series.points) {
      points.push_back({{"start", time_text(point.start)},
                        {"samples", point.samples},
                        {"value", point.value},
                        {"estimated_value", point.estimated_value}});
    }
    all.push_back({{"labels", series.labels}, {"points", std::move(points)}});
  }
  const nlohmann::json json = {{"type", answer.type.ToString()},
                               {"unit", answer.type.sample_unit},
                               {"start", time_text(span.start)},
                               {"end", time_text(span.end)},
                               {"step_seconds", absl::ToDoubleSeconds(answer.step)},
                               {"series", std::move(all)}};
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace pilotlight::cli
