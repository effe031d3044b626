#include "cli/share_view.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/series_view.h"
#include "cli/sparkline.h"
#include "cli/top_view.h"
#include "exporters/format.h"
#include "profile/statistics.h"

namespace pilotlight::cli {
namespace {

constexpr size_t kBarWidth = 24;

// Finds the part of a point of the whole.
class Parts {
 public:
  explicit Parts(const SeriesAnswer& part) {
    for (const SeriesAnswer::OneSeries& series : part.series) {
      for (const SeriesAnswer::Point& point : series.points) points_[{series.labels, point.start}] = point;
    }
  }

  SeriesAnswer::Point Of(const Labels& labels, const SeriesAnswer::Point& whole) const {
    const auto found = points_.find({labels, whole.start});
    SeriesAnswer::Point part;
    if (found != points_.end()) part = found->second;
    part.start = whole.start;
    // A window may have been stored between the two questions.
    part.samples = std::min(part.samples, whole.samples);
    return part;
  }

 private:
  std::map<std::pair<Labels, absl::Time>, SeriesAnswer::Point> points_;
};

double Share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string StepsText(const Parts& parts, const SeriesAnswer::OneSeries& series, const TimeSpan& span,
                      size_t width, bool colour, absl::TimeZone zone) {
  double largest = 0;
  for (const SeriesAnswer::Point& whole : series.points) {
    largest = std::max(largest, Share(parts.Of(series.labels, whole).samples, whole.samples));
  }
  Table table({{"start"},
               {"share", Align::kRight},
               {"95% sure", Align::kRight},
               {"samples", Align::kRight},
               {"of", Align::kRight},
               {""}});
  for (const SeriesAnswer::Point& whole : series.points) {
    const uint64_t samples = parts.Of(series.labels, whole).samples;
    table.AddRow(
        {{StepText(whole.start, span, zone)},
         {ShareText(samples, whole.samples), Style::kBold},
         {IntervalText(WilsonInterval(samples, whole.samples)), Style::kDim},
         {FormatCount(static_cast<int64_t>(samples))},
         {FormatCount(static_cast<int64_t>(whole.samples))},
         {largest > 0 ? Bar(Share(samples, whole.samples) / largest, kBarWidth) : "", Style::kYellow}});
  }
  return table.Render(width, colour);
}

std::string SummaryText(const Parts& parts, const SeriesAnswer& whole, const TimeSpan& span,
                        const std::vector<std::string>& group_by, size_t limit, size_t width, bool colour) {
  std::vector<Column> columns = LabelColumns(group_by);
  for (const char* title : {"share", "95% sure", "highest", "last", "samples", "of"}) {
    columns.push_back({title, Align::kRight});
  }
  columns.push_back({"over time"});
  Table table(std::move(columns));
  const size_t shown = limit == 0 ? whole.series.size() : std::min(limit, whole.series.size());
  for (size_t i = 0; i < shown; ++i) {
    const SeriesAnswer::OneSeries& series = whole.series[i];
    uint64_t samples = 0;
    uint64_t all_samples = 0;
    double highest = 0;
    double last = 0;
    std::vector<std::optional<double>> shares;
    for (const SeriesAnswer::Point* point : PointsBySteps(series, whole.step, span)) {
      std::optional<double>& share = shares.emplace_back();
      if (point == nullptr || point->samples == 0) continue;
      const uint64_t part = parts.Of(series.labels, *point).samples;
      samples += part;
      all_samples += point->samples;
      last = Share(part, point->samples);
      highest = std::max(highest, last);
      share = last;
    }
    const auto percent = [](double share) { return absl::StrFormat("%.1f%%", share * 100); };
    std::vector<Cell> cells = LabelCells(series.labels, group_by);
    cells.push_back({ShareText(samples, all_samples), Style::kBold});
    cells.push_back({IntervalText(WilsonInterval(samples, all_samples)), Style::kDim});
    cells.push_back({percent(highest)});
    cells.push_back({percent(last)});
    cells.push_back({FormatCount(static_cast<int64_t>(samples))});
    cells.push_back({FormatCount(static_cast<int64_t>(all_samples))});
    cells.push_back({Sparkline(shares, SparklineWidth(width)), Style::kYellow});
    table.AddRow(std::move(cells));
  }
  return absl::StrCat(table.Render(width, colour), MoreText(whole.series.size() - shown, "series", colour));
}

}  // namespace

std::string SeriesShareText(const SeriesAnswer& part, const SeriesAnswer& whole, const TimeSpan& span,
                            const std::vector<std::string>& group_by, size_t limit, size_t width, bool colour,
                            absl::TimeZone zone) {
  const Parts parts(part);
  return absl::StrCat(SeriesHead(whole, span, zone),
                      whole.series.size() == 1
                          ? StepsText(parts, whole.series.front(), span, width, colour, zone)
                          : SummaryText(parts, whole, span, group_by, limit, width, colour));
}

std::string SeriesShareJson(const SeriesAnswer& part, const SeriesAnswer& whole, const TimeSpan& span) {
  const Parts parts(part);
  nlohmann::json all = nlohmann::json::array();
  for (const SeriesAnswer::OneSeries& series : whole.series) {
    nlohmann::json points = nlohmann::json::array();
    for (const SeriesAnswer::Point& point : series.points) {
      const SeriesAnswer::Point its_part = parts.Of(series.labels, point);
      const Interval interval = WilsonInterval(its_part.samples, point.samples);
      nlohmann::json joined = {{"part", PointJson(its_part)},
                               {"whole", PointJson(point)},
                               {"share", Share(its_part.samples, point.samples)},
                               {"share_interval", {interval.lower, interval.upper}}};
      joined["start"] = joined["whole"]["start"];
      points.push_back(std::move(joined));
    }
    all.push_back({{"labels", series.labels}, {"points", std::move(points)}});
  }
  return SeriesJson(whole, span, std::move(all));
}

}  // namespace pilotlight::cli
