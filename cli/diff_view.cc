#include "cli/diff_view.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/table.h"
#include "cli/top_view.h"
#include "exporters/format.h"
#include "exporters/json.h"
#include "exporters/utf8.h"

namespace pilotlight::cli {
namespace {

// Below this the order that was not asked for has its change only.
constexpr size_t kWideTerminal = 100;

std::string SideHead(const char* name, const DiffView& view, const DiffView::Side& side,
                     const Quality& quality, size_t width, bool colour, absl::TimeZone zone) {
  TopView head;
  head.subject = side.subject;
  head.span = side.span;
  head.answer.quality = quality;
  head.answer.type = view.answer.type;
  return absl::StrCat(Styled(absl::StrCat(name, ": "), Style::kBold, colour),
                      HeadText(head, width, colour, zone));
}

// Nanoseconds of CPU time for each nanosecond that the side covers, 0 when that is not known.
double CoresPerValue(const Quality& quality, const std::optional<TimeSpan>& span) {
  const double length = absl::ToDoubleNanoseconds(span ? quality.covered : quality.watched);
  if (length <= 0 || quality.value == 0) return 0;
  return quality.estimated_value / static_cast<double>(quality.value) / length;
}

double Share(const Sample& sample, const ProfileTotals& total) {
  return total.value == 0 ? 0 : static_cast<double>(sample.value) / static_cast<double>(total.value);
}

// "+1.2" stays, but what rounds to nothing has no sign.
std::string WithoutSignOfZero(std::string text) {
  if (text.find_first_of("123456789") == std::string::npos) text.erase(0, 1);
  return text;
}

// Most functions have no time of their own: their cells stay empty.
bool IsNothing(const Difference& difference) {
  return difference.base.count + difference.comparison.count == 0;
}

struct Change {
  std::string mark;
  std::string points;
  Style style;
};

Change ChangeOf(const Difference& difference, const DiffTotals& totals) {
  const double change = ShareChange(difference, totals);
  Change shown{"", WithoutSignOfZero(absl::StrFormat("%+.1f", change * 100)), Style::kDim};
  if (difference.significant()) {
    // The same for readers without colours.
    shown.mark = change > 0 ? "▲" : "▼";
    shown.style = change > 0 ? Style::kRed : Style::kGreen;
  }
  return shown;
}

std::string VerdictText(const DiffView& view) {
  const DiffTable& table = view.answer.table;
  if (table.total.base.count == 0 || table.total.comparison.count == 0) {
    return "One side has no samples: nothing can be told from chance.\n";
  }
  if (!CountsSamples(view.answer.type)) {
    return "Counts of this type are not of samples: change is not told from chance.\n";
  }
  const size_t significant =
      view.order == TopOrder::kFlat ? table.significant_flat : table.significant_cumulative;
  return absl::StrCat(FormatCount(static_cast<int64_t>(significant)), " of ",
                      FormatCount(static_cast<int64_t>(table.all_rows)), " functions changed in ",
                      view.order == TopOrder::kFlat ? "flat" : "cum",
                      " by more than chance: ▲ ▼; of such marks one in twenty may be wrong.\n");
}

}  // namespace

std::string DiffText(const DiffView& view, size_t width, bool colour, absl::TimeZone zone) {
  const DiffAnswer& answer = view.answer;
  const DiffTotals& totals = answer.table.total;
  const bool by_flat = view.order == TopOrder::kFlat;
  const bool wide = width == 0 || width >= kWideTerminal;
  const bool is_cpu = answer.type.sample_type == "cpu" && answer.type.sample_unit == "nanoseconds";
  const double base_cores = is_cpu ? CoresPerValue(answer.base_quality, view.base.span) : 0;
  const double comparison_cores = is_cpu ? CoresPerValue(answer.comparison_quality, view.comparison.span) : 0;
  const bool has_cores = base_cores > 0 && comparison_cores > 0;

  std::vector<Column> columns;
  const auto add_columns = [&columns](const char* name, bool with_sides) {
    columns.push_back({"", Align::kLeft});
    columns.push_back({name, Align::kRight});
    if (!with_sides) return;
    columns.push_back({"base%", Align::kRight});
    columns.push_back({"new%", Align::kRight});
  };
  add_columns("flat", wide || by_flat);
  add_columns("cum", wide || !by_flat);
  columns.push_back({has_cores ? "cores" : "value", Align::kRight});
  columns.push_back({"function", Align::kLeft, /*shrinks=*/true});

  Table table(std::move(columns));
  for (const DiffRow& row : answer.table.rows) {
    std::vector<Cell> cells;
    const auto add_cells = [&](const Difference& difference, bool with_sides) {
      if (IsNothing(difference)) {
        cells.resize(cells.size() + (with_sides ? 4 : 2));
        return;
      }
      Change change = ChangeOf(difference, totals);
      cells.push_back({std::move(change.mark), change.style});
      cells.push_back({std::move(change.points), change.style});
      if (!with_sides) return;
      cells.push_back({absl::StrFormat("%.1f", Share(difference.base, totals.base) * 100)});
      cells.push_back({absl::StrFormat("%.1f", Share(difference.comparison, totals.comparison) * 100)});
    };
    add_cells(row.flat, wide || by_flat);
    add_cells(row.cumulative, wide || !by_flat);
    const Difference& shown = by_flat ? row.flat : row.cumulative;
    if (IsNothing(shown)) {
      cells.emplace_back();
    } else if (has_cores) {
      const double cores = static_cast<double>(shown.comparison.value) * comparison_cores -
                           static_cast<double>(shown.base.value) * base_cores;
      cells.push_back({WithoutSignOfZero(absl::StrFormat("%+.3f", cores))});
    } else {
      const int64_t more = shown.comparison.value - shown.base.value;
      cells.push_back({absl::StrCat(more > 0 ? "+" : "", FormatValue(more, answer.type.sample_unit))});
    }
    cells.push_back({row.function});
    table.AddRow(std::move(cells));
  }

  return absl::StrCat(SideHead("base", view, view.base, answer.base_quality, width, colour, zone),
                      SideHead("new", view, view.comparison, answer.comparison_quality, width, colour, zone),
                      view.filtered ? "Shares are of the samples that --focus and --ignore leave.\n" : "",
                      VerdictText(view), "\n", table.Render(width, colour),
                      MoreText(answer.table.all_rows - answer.table.rows.size(), "functions", colour));
}

std::string DiffJson(const DiffView& view) {
  nlohmann::json json =
      nlohmann::json::parse(WriteDiffJson(view.answer.table, DiffGraph(), view.answer.type));
  json["order"] = view.order == TopOrder::kFlat ? "flat" : "cumulative";
  const auto side_json = [](const DiffView::Side& side, const Quality& quality) {
    nlohmann::json about = {{"subject", ToValidUtf8(side.subject)}, {"quality", QualityJson(quality)}};
    AddSpanJson(side.span, about);
    return about;
  };
  json["base"] = side_json(view.base, view.answer.base_quality);
  json["comparison"] = side_json(view.comparison, view.answer.comparison_quality);
  return json.dump(2) + "\n";
}

}  // namespace pilotlight::cli
