#include "cli/top_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/sparkline.h"
#include "cli/table.h"
#include "cli/text_width.h"
#include "exporters/format.h"
#include "exporters/json.h"
#include "exporters/utf8.h"

namespace pilotlight::cli {
namespace {

// Below this the columns of the order that was not asked for lose their interval, and the bar goes.
constexpr size_t kWideTerminal = 110;
constexpr size_t kBarWidth = 10;
// A profile with fewer named frames or whole stacks is coloured as a warning.
constexpr double kGoodRatio = 0.95;

double Ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// Parts with " · " between them; lines break there where they would be wider than `width`.
std::string JoinParts(const std::vector<std::string>& parts, size_t width) {
  std::string text;
  size_t line_width = 0;
  for (const std::string& part : parts) {
    const size_t part_width = DisplayWidth(part);
    if (line_width != 0 && width != 0 && line_width + 3 + part_width > width) {
      absl::StrAppend(&text, "\n");
      line_width = 0;
    }
    if (line_width != 0) {
      absl::StrAppend(&text, " · ");
      line_width += 3;
    }
    absl::StrAppend(&text, part);
    line_width += part_width;
  }
  return absl::StrCat(text, "\n");
}

std::vector<std::string> HeadParts(const TopView& view) {
  const Quality& quality = view.answer.quality;
  const ProfileType& type = view.answer.type;
  std::vector<std::string> parts = AmountText(quality, type);
  const bool scaled = quality.estimated_value > static_cast<double>(quality.value) * 1.001;
  if (scaled) {
    parts.push_back(absl::StrCat("about ",
                                 FormatValue(static_cast<int64_t>(quality.estimated_value), type.sample_unit),
                                 " in the span"));
  }
  if (type.sample_unit == "nanoseconds" && type.sample_type == "cpu") {
    const absl::Duration length = view.span ? quality.covered : quality.watched;
    const double nanoseconds = absl::ToDoubleNanoseconds(length);
    if (nanoseconds > 0)
      parts.push_back(absl::StrFormat("%.2f cores", quality.estimated_value / nanoseconds));
  }
  if (quality.windows > 0) {
    // Each window is one label set's: their sum would be longer than the span.
    parts.push_back(absl::StrCat(FormatCount(static_cast<int64_t>(quality.windows)),
                                 quality.windows == 1 ? " window of " : " windows of ",
                                 FormatTimeSpan(quality.watched / static_cast<int64_t>(quality.windows))));
  } else if (quality.watched > absl::ZeroDuration()) {
    parts.push_back(absl::StrCat("watched ", FormatTimeSpan(quality.watched)));
  }
  return parts;
}

bool IsGood(const Quality& quality) {
  const LossCounters& loss = quality.loss;
  return loss.lost_samples == 0 &&
         (loss.frames == 0 || Ratio(loss.unsymbolized_frames, loss.frames) < 1 - kGoodRatio) &&
         (quality.samples == 0 || Ratio(loss.truncated_stacks, quality.samples) < 1 - kGoodRatio);
}

}  // namespace

std::string TypeText(const ProfileType& type) {
  if (type.name == "process_cpu" && type.sample_type == "cpu") return "CPU time";
  if (type == OffCpuType()) return "off-CPU time";
  if (type.name == type.sample_type) return type.name;
  return absl::StrCat(type.name, " ", type.sample_type);
}

Quality QualityOf(const Profile& profile) {
  const ProfileTotals totals = Totals(profile.samples);
  Quality quality;
  quality.watched = profile.duration;
  quality.samples = totals.count;
  quality.value = totals.value;
  quality.estimated_value = static_cast<double>(totals.value);
  quality.loss = profile.loss;
  return quality;
}

std::vector<std::string> AmountText(const Quality& quality, const ProfileType& type) {
  std::vector<std::string> parts = {absl::StrCat(FormatCount(static_cast<int64_t>(quality.samples)),
                                                 quality.samples == 1 ? " sample" : " samples")};
  if (type.sample_unit != "count") {
    const std::string value = FormatValue(quality.value, type.sample_unit);
    parts.push_back(type.sample_type == "cpu" ? absl::StrCat(value, " CPU") : value);
  }
  return parts;
}

std::vector<std::string> QualityText(const Quality& quality) {
  const LossCounters& loss = quality.loss;
  std::vector<std::string> parts;
  if (loss.frames > 0) {
    parts.push_back(
        absl::StrCat("frames named ", FormatPercent(1 - Ratio(loss.unsymbolized_frames, loss.frames))));
  }
  if (quality.samples > 0) {
    const uint64_t truncated = std::min(loss.truncated_stacks, quality.samples);
    parts.push_back(absl::StrCat("whole stacks ", FormatPercent(1 - Ratio(truncated, quality.samples))));
  }
  parts.push_back(absl::StrCat("lost samples ", FormatCount(static_cast<int64_t>(loss.lost_samples))));
  return parts;
}

std::string ShareText(uint64_t count, uint64_t total) {
  return absl::StrFormat("%.1f%%", Ratio(count, total) * 100);
}

std::string ValueShareText(int64_t value, int64_t total) {
  return absl::StrFormat("%.1f%%",
                         total == 0 ? 0 : 100 * static_cast<double>(value) / static_cast<double>(total));
}

std::string IntervalText(const Interval& interval) {
  return absl::StrFormat("%.1f–%.1f", interval.lower * 100, interval.upper * 100);
}

std::string HeadText(const TopView& view, size_t width, bool colour, absl::TimeZone zone) {
  std::string subject = absl::StrCat(TypeText(view.answer.type), " of ", view.subject);
  if (view.span) absl::StrAppend(&subject, ", ", SpanText(*view.span, zone));
  std::string head = absl::StrCat(Styled(ToDisplayText(subject), Style::kBold, colour), "\n",
                                  JoinParts(HeadParts(view), width));
  const std::string quality = JoinParts(QualityText(view.answer.quality), width);
  absl::StrAppend(&head, IsGood(view.answer.quality) ? quality : Styled(quality, Style::kYellow, colour));
  if (view.filtered) absl::StrAppend(&head, "Shares are of the samples that --focus and --ignore leave.\n");
  return head;
}

std::string TopText(const TopView& view, size_t width, bool colour, absl::TimeZone zone) {
  const bool by_flat = view.order == TopOrder::kFlat;
  const bool wide = width == 0 || width >= kWideTerminal;
  const bool flat_interval = wide || by_flat;
  const bool cumulative_interval = wide || !by_flat;
  const bool bar = width >= kWideTerminal;

  std::vector<Column> columns = {{"flat", Align::kRight}, {"flat%", Align::kRight}};
  if (flat_interval) columns.push_back({"95% sure", Align::kRight});
  columns.push_back({"cum", Align::kRight});
  columns.push_back({"cum%", Align::kRight});
  if (cumulative_interval) columns.push_back({"95% sure", Align::kRight});
  if (bar) columns.push_back({"", Align::kLeft});
  columns.push_back({"function", Align::kLeft, /*shrinks=*/true});

  Table table(std::move(columns));
  const TopTable& top = view.answer.table;
  const uint64_t total = top.total.count;
  const std::string& unit = view.answer.type.sample_unit;
  const Style flat_style = by_flat ? Style::kBold : Style::kPlain;
  const Style cumulative_style = by_flat ? Style::kPlain : Style::kBold;
  for (const TopRow& row : top.rows) {
    std::vector<Cell> cells = {{FormatValue(row.flat.value, unit)},
                               {ShareText(row.flat.count, total), flat_style}};
    if (flat_interval) cells.push_back({IntervalText(row.flat_share), Style::kDim});
    cells.push_back({FormatValue(row.cumulative.value, unit)});
    cells.push_back({ShareText(row.cumulative.count, total), cumulative_style});
    if (cumulative_interval) cells.push_back({IntervalText(row.cumulative_share), Style::kDim});
    if (bar) {
      const std::string drawn = Bar(Ratio(by_flat ? row.flat.count : row.cumulative.count, total), kBarWidth);
      // A column as wide as the longest possible bar, so that bars mean the same in every table.
      cells.push_back({drawn + std::string(kBarWidth - DisplayWidth(drawn), ' '), Style::kYellow});
    }
    cells.push_back({row.function});
    table.AddRow(std::move(cells));
  }
  return absl::StrCat(HeadText(view, width, colour, zone), "\n", table.Render(width, colour),
                      MoreText(top.all_rows - top.rows.size(), "functions", colour));
}

nlohmann::json QualityJson(const Quality& quality) {
  return {{"windows", quality.windows},
          {"watched_seconds", absl::ToDoubleSeconds(quality.watched)},
          {"covered_seconds", absl::ToDoubleSeconds(quality.covered)},
          {"estimated_value", quality.estimated_value},
          {"lost_samples", quality.loss.lost_samples},
          {"truncated_stacks", quality.loss.truncated_stacks},
          {"frames", quality.loss.frames},
          {"unsymbolized_frames", quality.loss.unsymbolized_frames}};
}

void AddSpanJson(const std::optional<TimeSpan>& span, nlohmann::json& json) {
  if (!span) return;
  json["start"] = absl::FormatTime(absl::RFC3339_full, span->start, absl::UTCTimeZone());
  json["end"] = absl::FormatTime(absl::RFC3339_full, span->end, absl::UTCTimeZone());
}

std::string TopJson(const TopView& view) {
  nlohmann::json json = nlohmann::json::parse(WriteTopJson(view.answer.table, view.answer.type));
  json["subject"] = ToValidUtf8(view.subject);
  json["order"] = view.order == TopOrder::kFlat ? "flat" : "cumulative";
  json["quality"] = QualityJson(view.answer.quality);
  AddSpanJson(view.span, json);
  return json.dump(2) + "\n";
}

}  // namespace pilotlight::cli
