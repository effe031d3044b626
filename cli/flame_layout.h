// A flame graph as boxes of whole columns, for a terminal.
#pragma once

#include <cstdint>
#include <vector>

#include "profile/flame_graph.h"

namespace re2 {
class RE2;
}

namespace pilotlight::cli {

struct FlameBox {
  uint32_t node = 0;
  int column = 0;
  int width = 0;  // at least 1
};

// What is shown of a graph, and which of its nodes is selected. Siblings are in the order of their values,
// the largest first, "other" last.
class FlameLayout {
 public:
  // `graph` must outlive it.
  explicit FlameLayout(const FlameGraph& graph);

  // Rows of boxes from left to right, the root's first: the callers of the zoomed node over the whole width,
  // then what it calls, as far as it has a column. Made anew by each change of width or zoom.
  const std::vector<std::vector<FlameBox>>& rows() const { return rows_; }
  void SetWidth(int width);

  uint32_t zoomed() const { return zoomed_; }
  // And selects it.
  void Zoom(uint32_t node);

  uint32_t selected() const { return selected_; }
  int selected_row() const { return depths_[selected_]; }
  // Each stays where it is when there is nothing.
  void SelectCaller();
  void SelectCallee();          // the largest
  void SelectBeside(int step);  // -1: the box to the left in the same row, 1: to the right
  void SelectAt(int row, int column);

  // Marks the nodes whose names match; null marks none.
  void Mark(const re2::RE2* expression);
  bool is_marked(uint32_t node) const { return marked_[node]; }
  size_t marked_count() const { return marks_.size(); }
  // Of all stacks that have a marked node.
  Sample marked_total() const { return marked_total_; }
  // The next marked node after the selected one, the largest first, around the end; zooms to it where it has
  // no column. -1: the one before.
  void SelectMarked(int step);

 private:
  bool HasBox(uint32_t node) const;
  void Rebuild();

  const FlameGraph& graph_;
  std::vector<std::vector<uint32_t>> children_;
  std::vector<int> depths_;
  int width_ = 0;
  uint32_t zoomed_ = 0;
  uint32_t selected_ = 0;
  std::vector<std::vector<FlameBox>> rows_;
  std::vector<bool> marked_;
  std::vector<uint32_t> marks_;  // the largest first
  Sample marked_total_;
};

}  // namespace pilotlight::cli
