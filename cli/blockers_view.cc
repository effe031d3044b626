#include "cli/blockers_view.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/table.h"
#include "exporters/format.h"
#include "exporters/utf8.h"

namespace pilotlight::cli {
namespace {

nlohmann::json ToJson(uint64_t count, int64_t value) { return {{"count", count}, {"value", value}}; }

}  // namespace

std::string BlockersText(const BlockerTable& table, const TopView& view, size_t width, bool colour,
                         absl::TimeZone zone) {
  std::string text = HeadText(view, width, colour, zone);
  if (table.mcall.count == 0) {
    return absl::StrCat(text, "\nNo sample has runtime.mcall: no Go program gave up the CPU in one.\n");
  }
  const Interval mcall = WilsonInterval(table.mcall.count, table.total.count);
  absl::StrAppend(&text, "runtime.mcall ", ShareText(table.mcall.count, table.total.count), " (",
                  IntervalText(mcall), "); with its caller ",
                  ShareText(table.joined.count, table.mcall.count), " of it\n\n");
  Table rows({{"mcall", Align::kRight},
              {"share", Align::kRight},
              {"95% sure", Align::kRight},
              {"function", Align::kLeft, /*shrinks=*/true},
              {"gives up the CPU in", Align::kLeft}});
  for (const BlockerRow& row : table.rows) {
    rows.AddRow({{FormatValue(row.mcall.value, view.answer.type.sample_unit)},
                 {ShareText(row.mcall.count, table.mcall.count), Style::kBold},
                 {IntervalText(row.share), Style::kDim},
                 {row.function},
                 {row.wait, Style::kDim}});
  }
  absl::StrAppend(&text, rows.Render(width, colour),
                  MoreText(table.all_rows - table.rows.size(), "callers", colour));
  return text;
}

std::string BlockersJson(const BlockerTable& table, const TopView& view) {
  nlohmann::json json = {{"type", view.answer.type.ToString()},
                         {"unit", view.answer.type.sample_unit},
                         {"subject", ToValidUtf8(view.subject)},
                         {"total", ToJson(table.total.count, table.total.value)},
                         {"mcall", ToJson(table.mcall.count, table.mcall.value)},
                         {"joined", ToJson(table.joined.count, table.joined.value)},
                         {"functions", table.all_rows},
                         {"rows", nlohmann::json::array()}};
  for (const BlockerRow& row : table.rows) {
    json["rows"].push_back({{"function", ToValidUtf8(row.function)},
                            {"file", ToValidUtf8(row.file)},
                            {"wait", ToValidUtf8(row.wait)},
                            {"mcall", ToJson(row.mcall.count, row.mcall.value)},
                            {"share", {row.share.lower, row.share.upper}}});
  }
  return json.dump(2) + "\n";
}

}  // namespace pilotlight::cli
