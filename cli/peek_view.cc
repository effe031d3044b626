#include "cli/peek_view.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/table.h"
#include "exporters/format.h"
#include "exporters/json.h"
#include "exporters/utf8.h"

namespace pilotlight::cli {

std::string PeekText(const PeekTable& table, const TopView& head, size_t width, bool colour,
                     absl::TimeZone zone) {
  const std::string& unit = head.answer.type.sample_unit;
  Table text({{"flat", Align::kRight},
              {"flat%", Align::kRight},
              {"cum", Align::kRight},
              {"cum%", Align::kRight},
              {"calls", Align::kRight},
              {"calls%", Align::kRight},
              {"function", Align::kLeft, /*shrinks=*/true}});
  for (const PeekFunction& function : table.functions) {
    const auto add = [&](const std::vector<PeekNeighbour>& neighbours, const char* branch) {
      for (const PeekNeighbour& neighbour : neighbours) {
        text.AddRow({{},
                     {},
                     {},
                     {},
                     {FormatValue(neighbour.with.value, unit)},
                     {ValueShareText(neighbour.with.value, function.cumulative.value)},
                     {absl::StrCat(branch, neighbour.function)}});
      }
    };
    if (&function != &table.functions.front()) text.AddRow(std::vector<Cell>(7));
    add(function.callers, "  ┌ ");
    text.AddRow({{FormatValue(function.flat.value, unit)},
                 {ValueShareText(function.flat.value, table.total.value)},
                 {FormatValue(function.cumulative.value, unit)},
                 {ValueShareText(function.cumulative.value, table.total.value), Style::kBold},
                 {},
                 {},
                 {function.function, Style::kBold}});
    add(function.callees, "  └ ");
  }
  return absl::StrCat(HeadText(head, width, colour, zone), "\n", text.Render(width, colour),
                      MoreText(table.all_functions - table.functions.size(), "functions that match", colour));
}

std::string PeekJson(const PeekTable& table, const TopView& head) {
  nlohmann::json json = nlohmann::json::parse(WritePeekJson(table, head.answer.type));
  json["subject"] = ToValidUtf8(head.subject);
  json["quality"] = QualityJson(head.answer.quality);
  AddSpanJson(head.span, json);
  return json.dump(2) + "\n";
}

}  // namespace pilotlight::cli
