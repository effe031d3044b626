#include "cli/text_width.h"

#include <vector>

#include "exporters/utf8.h"

namespace pilotlight::cli {
namespace {

struct Piece {
  size_t offset = 0;
  size_t width = 0;
};

std::vector<Piece> SplitCodePoints(absl::string_view text) {
  std::vector<Piece> pieces;
  const size_t size = text.size();
  while (!text.empty()) {
    const size_t offset = size - text.size();
    pieces.push_back({offset, static_cast<size_t>(ColumnWidth(TakeCodePoint(text)))});
  }
  return pieces;
}

}  // namespace

size_t DisplayWidth(absl::string_view text) {
  size_t width = 0;
  for (const Piece& piece : SplitCodePoints(text)) width += piece.width;
  return width;
}

std::string CutMiddle(absl::string_view text, size_t width) {
  const std::vector<Piece> pieces = SplitCodePoints(text);
  size_t whole = 0;
  for (const Piece& piece : pieces) whole += piece.width;
  if (whole <= width) return std::string(text);

  const size_t kept = width - 1;  // beside the "…"
  size_t front = 0;               // pieces
  size_t front_width = 0;
  while (front_width + pieces[front].width <= kept / 2) front_width += pieces[front++].width;
  size_t back = pieces.size();
  size_t back_width = 0;
  while (back > front && front_width + back_width + pieces[back - 1].width <= kept) {
    back_width += pieces[--back].width;
  }
  // A combining mark without its base character would attach itself to the "…".
  while (back < pieces.size() && pieces[back].width == 0) ++back;
  std::string cut(text.substr(0, pieces[front].offset));
  cut += "…";
  if (back < pieces.size()) cut += std::string(text.substr(pieces[back].offset));
  return cut;
}

}  // namespace pilotlight::cli
