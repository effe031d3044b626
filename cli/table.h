// Text in aligned columns, for people; machines take JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace pilotlight::cli {

enum class Align { kLeft, kRight };

// A colour is dropped where the output is not a colour terminal.
enum class Style { kPlain, kDim, kBold, kRed, kYellow, kGreen };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  // Shrinks, its texts cut in the middle, when the line would be wider than the output. At most one column.
  bool shrinks = false;
};

struct Cell {
  std::string text;
  Style style = Style::kPlain;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: one cell per column. Control characters become visible, so no name can command a terminal.
  void AddRow(std::vector<Cell> cells);
  // A title line and the rows, two spaces between columns, no spaces at line ends. `width` 0: no limit.
  std::string Render(size_t width, bool colour) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// The line below a table that was cut: "and 12 more functions; -n 0 shows all". Empty for 0.
std::string MoreText(size_t more, const char* what, bool colour);

std::string Styled(const std::string& text, Style style, bool colour);

}  // namespace pilotlight::cli
