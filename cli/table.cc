#include "cli/table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "cli/text_width.h"
#include "exporters/format.h"
#include "exporters/utf8.h"

namespace pilotlight::cli {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kLeastShrunkWidth = 16;

const char* EscapeCode(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kRed:
      return "\x1b[31m";
    case Style::kYellow:
      return "\x1b[33m";
    case Style::kGreen:
      return "\x1b[32m";
  }
  return "";
}

}  // namespace

std::string Styled(const std::string& text, Style style, bool colour) {
  if (!colour || style == Style::kPlain || text.empty()) return text;
  return absl::StrCat(EscapeCode(style), text, "\x1b[0m");
}

std::string MoreText(size_t more, const char* what, bool colour) {
  if (more == 0) return "";
  return absl::StrCat(Styled(absl::StrCat("and ", FormatCount(static_cast<int64_t>(more)), " more ", what,
                                          "; -n 0 shows all"),
                             Style::kDim, colour),
                      "\n");
}

void Table::AddRow(std::vector<Cell> cells) {
  CHECK(cells.size() == columns_.size());
  for (Cell& cell : cells) cell.text = ToDisplayText(cell.text);
  rows_.push_back(std::move(cells));
}

std::string Table::Render(size_t width, bool colour) const {
  std::vector<size_t> widths;
  size_t line_width = 0;
  size_t shrinking = columns_.size();
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t widest = DisplayWidth(columns_[i].title);
    for (const std::vector<Cell>& row : rows_) widest = std::max(widest, DisplayWidth(row[i].text));
    widths.push_back(widest);
    line_width += widest + (i == 0 ? 0 : kGap);
    if (columns_[i].shrinks) shrinking = i;
  }
  if (width != 0 && line_width > width && shrinking < columns_.size()) {
    const size_t others = line_width - widths[shrinking];
    const size_t room = width > others ? width - others : 0;
    widths[shrinking] = std::min(widths[shrinking], std::max(room, kLeastShrunkWidth));
  }

  std::string out;
  const auto add_line = [&](const std::vector<Cell>& cells) {
    std::string line;
    size_t owed_spaces = 0;  // written only when something follows
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string text = CutMiddle(cells[i].text, std::max<size_t>(widths[i], 1));
      const size_t padding = widths[i] - std::min(widths[i], DisplayWidth(text));
      if (i > 0) owed_spaces += kGap;
      if (columns_[i].align == Align::kRight) owed_spaces += padding;
      if (!text.empty()) {
        line.append(owed_spaces, ' ');
        owed_spaces = 0;
        absl::StrAppend(&line, Styled(text, cells[i].style, colour));
      }
      if (columns_[i].align == Align::kLeft) owed_spaces += padding;
    }
    absl::StrAppend(&out, line, "\n");
  };
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.push_back({column.title, Style::kDim});
  add_line(titles);
  for (const std::vector<Cell>& row : rows_) add_line(row);
  return out;
}

}  // namespace pilotlight::cli
