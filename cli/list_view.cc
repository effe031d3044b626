#include "cli/list_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "cli/table.h"
#include "exporters/format.h"
#include "exporters/json.h"
#include "exporters/utf8.h"

namespace pilotlight::cli {
namespace {

// Shown around a line with samples, and where the function begins.
constexpr uint32_t kContextLines = 4;
constexpr int64_t kHotPercent = 10;  // of the function

// "add" of "main.(*shop[...]).add"; empty where it stands in no source: closures, wrappers.
absl::string_view GoIdentifier(absl::string_view function) {
  if (const size_t bracket = function.find('['); absl::EndsWith(function, "]")) {
    function = function.substr(0, bracket);
  }
  const absl::string_view last = function.substr(function.rfind('.') + 1);
  if (std::ranges::all_of(absl::StripPrefix(last, "func"), absl::ascii_isdigit)) return "";
  const bool is_identifier = std::ranges::all_of(
      last, [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; });
  return is_identifier ? last : "";
}

bool HasAllLines(const SourceFile& source, const ListedFunction& function) {
  return std::max(function.lines.back().line, function.start_line) <= source.lines.size();
}

// The line where the function begins is not there, or does not have its name.
bool IsAnotherVersion(const SourceFile& source, const ListedFunction& function) {
  if (!HasAllLines(source, function)) return true;
  if (function.kind != FrameKind::kGo || function.start_line == 0) return false;
  return !absl::StrContains(source.lines[function.start_line - 1], GoIdentifier(function.function));
}

std::string CostText(const Sample& sample, const std::string& unit) {
  return sample.value == 0 ? "." : FormatValue(sample.value, unit);
}

// Of the function, and those around its lines; a gap is nullopt.
std::vector<std::optional<uint32_t>> ShownLines(const ListedFunction& function, size_t lines_in_file) {
  std::vector<std::optional<uint32_t>> shown;
  uint32_t last = 0;
  const auto show = [&](uint32_t from, uint32_t to) {
    from = std::max({from, last + 1, 1u});
    if (from > last + 1 && last > 0) shown.push_back(std::nullopt);
    for (; from <= to && from <= lines_in_file; ++from) {
      shown.emplace_back(from);
      last = from;
    }
  };
  if (function.start_line > 0) show(function.start_line, function.start_line);
  for (const ListedLine& line : function.lines) {
    if (line.line == 0) continue;
    const uint32_t first =
        line.line >= function.start_line + kContextLines ? line.line - kContextLines : function.start_line;
    show(first, line.line + kContextLines);
  }
  return shown;
}

void AddRow(const ListedLine& line, const ListedFunction& function, const std::string& unit,
            const std::string& text, Table& table) {
  const bool has_samples = line.cumulative.value != 0;
  const bool is_hot = 100 * line.cumulative.value >= kHotPercent * function.cumulative.value;
  const Style style = !has_samples ? Style::kDim : is_hot ? Style::kBold : Style::kPlain;
  table.AddRow({{CostText(line.flat, unit), style},
                {CostText(line.cumulative, unit), style},
                {line.line == 0 ? "?" : absl::StrCat(line.line), style},
                {text, style}});
}

std::string LinesText(const ListedFunction& function, const std::string& unit, const SourceFile* source,
                      bool colour) {
  Table table({{"flat", Align::kRight}, {"cum", Align::kRight}, {"line", Align::kRight}, {""}});
  if (source == nullptr) {
    for (const ListedLine& line : function.lines) AddRow(line, function, unit, "", table);
    return table.Render(/*width=*/0, colour);
  }
  auto with_samples = function.lines.begin();
  if (with_samples->line == 0) AddRow(*with_samples++, function, unit, "(line not known)", table);
  for (const std::optional<uint32_t> number : ShownLines(function, source->lines.size())) {
    if (!number.has_value()) {
      table.AddRow({{}, {}, {"…", Style::kDim}, {}});
      continue;
    }
    ListedLine line = {.line = *number};
    if (with_samples != function.lines.end() && with_samples->line == *number) line = *with_samples++;
    AddRow(line, function, unit,
           absl::StrReplaceAll(source->lines[*number - 1], {{"\t", "    "}, {"\r", ""}}), table);
  }
  return table.Render(/*width=*/0, colour);
}

std::string FunctionText(const ListedFunction& function, const ProfileTotals& total, const std::string& unit,
                         const SourceFiles& sources, bool colour) {
  const auto part = [&](const char* name, const Sample& sample) {
    return absl::StrCat(name, " ", FormatValue(sample.value, unit), " (",
                        ValueShareText(sample.value, total.value), ")");
  };
  std::string text = absl::StrCat(Styled(ToDisplayText(function.function), Style::kBold, colour), "  ",
                                  part("flat", function.flat), "  ", part("cum", function.cumulative), "\n");
  const auto note = [&](absl::string_view words) {
    absl::StrAppend(&text, Styled(absl::StrCat("note: ", words), Style::kYellow, colour), "\n");
  };
  if (function.file.empty()) {
    note("the profile does not name its source file");
    return absl::StrCat(text, LinesText(function, unit, nullptr, colour));
  }
  const absl::StatusOr<SourceFile> source = sources.Read(function.file);
  const std::string file = ToDisplayText(function.file);
  if (!source.ok()) {
    absl::StrAppend(&text, file, "\n");
    note("no such file here; --source-path names where the sources are");
    return absl::StrCat(text, LinesText(function, unit, nullptr, colour));
  }
  absl::StrAppend(&text, file);
  if (source->path != function.file) absl::StrAppend(&text, " (here ", ToDisplayText(source->path), ")");
  absl::StrAppend(&text, "\n");
  if (function.moved) note("of several versions of this file, so lines may be of another one");
  if (IsAnotherVersion(*source, function)) note("the file here is of another version");
  return absl::StrCat(text,
                      LinesText(function, unit, HasAllLines(*source, function) ? &*source : nullptr, colour));
}

}  // namespace

std::string ListText(const Listing& listing, const TopView& head, const SourceFiles& sources, size_t width,
                     bool colour, absl::TimeZone zone) {
  std::string text = HeadText(head, width, colour, zone);
  for (const ListedFunction& function : listing.functions) {
    absl::StrAppend(&text, "\n",
                    FunctionText(function, listing.total, head.answer.type.sample_unit, sources, colour));
  }
  return absl::StrCat(
      text, MoreText(listing.all_functions - listing.functions.size(), "functions that match", colour));
}

std::string ListJson(const Listing& listing, const TopView& head) {
  nlohmann::json json = nlohmann::json::parse(WriteListJson(listing, head.answer.type));
  json["subject"] = ToValidUtf8(head.subject);
  json["quality"] = QualityJson(head.answer.quality);
  AddSpanJson(head.span, json);
  return json.dump(2) + "\n";
}

}  // namespace pilotlight::cli
