#include "cli/flame_layout.h"

#include <algorithm>
#include <cmath>

#include "re2/re2.h"

namespace pilotlight::cli {

FlameLayout::FlameLayout(const FlameGraph& graph)
    : graph_(graph), children_(graph.nodes.size()), depths_(graph.nodes.size()), marked_(graph.nodes.size()) {
  for (uint32_t node = 1; node < graph.nodes.size(); ++node) {
    const uint32_t parent = graph.nodes[node].parent;
    children_[parent].push_back(node);
    depths_[node] = depths_[parent] + 1;
  }
  for (std::vector<uint32_t>& children : children_) {
    std::ranges::stable_sort(children, [&graph](uint32_t a, uint32_t b) {
      if (graph.IsOther(a) != graph.IsOther(b)) return graph.IsOther(b);
      return graph.nodes[a].total.value > graph.nodes[b].total.value;
    });
  }
}

void FlameLayout::SetWidth(int width) {
  width_ = width;
  Rebuild();
  while (selected_ != 0 && !HasBox(selected_)) SelectCaller();
}

void FlameLayout::Zoom(uint32_t node) {
  zoomed_ = node;
  selected_ = node;
  Rebuild();
}

void FlameLayout::Rebuild() {
  rows_.clear();
  if (width_ <= 0) return;
  rows_.resize(static_cast<size_t>(depths_[zoomed_]) + 1);
  for (uint32_t node = zoomed_;; node = graph_.nodes[node].parent) {
    rows_[static_cast<size_t>(depths_[node])] = {{.node = node, .column = 0, .width = width_}};
    if (node == 0) break;
  }
  const auto whole = static_cast<double>(graph_.nodes[zoomed_].total.value);
  if (whole <= 0) return;
  // Where a node begins, in parts of the whole: by columns, what is small would lose or gain most.
  std::vector<double> begins = {0};
  while (true) {
    std::vector<FlameBox> row;
    std::vector<double> row_begins;
    const std::vector<FlameBox>& above = rows_.back();
    for (size_t i = 0; i < above.size(); ++i) {
      double begin = begins[i];
      for (const uint32_t child : children_[above[i].node]) {
        const double end =
            begin + static_cast<double>(std::max<int64_t>(graph_.nodes[child].total.value, 0)) / whole;
        const auto column = static_cast<int>(std::lround(begin * width_));
        const int width = static_cast<int>(std::lround(end * width_)) - column;
        if (width > 0) {
          row.push_back({.node = child, .column = column, .width = width});
          row_begins.push_back(begin);
        }
        begin = end;
      }
    }
    if (row.empty()) return;
    rows_.push_back(std::move(row));
    begins = std::move(row_begins);
  }
}

void FlameLayout::SelectCaller() {
  if (selected_ != 0) selected_ = graph_.nodes[selected_].parent;
}

void FlameLayout::SelectCallee() {
  const auto below = static_cast<size_t>(selected_row()) + 1;
  if (below >= rows_.size()) return;
  for (const FlameBox& box : rows_[below]) {
    // The first one is the largest, but for "other".
    if (below <= static_cast<size_t>(depths_[zoomed_]) || graph_.nodes[box.node].parent == selected_) {
      selected_ = box.node;
      return;
    }
  }
}

void FlameLayout::SelectBeside(int step) {
  const std::vector<FlameBox>& row = rows_[static_cast<size_t>(selected_row())];
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].node != selected_) continue;
    const size_t to = i + static_cast<size_t>(step);
    if (to < row.size()) selected_ = row[to].node;
    return;
  }
}

void FlameLayout::SelectAt(int row, int column) {
  if (row < 0 || static_cast<size_t>(row) >= rows_.size()) return;
  for (const FlameBox& box : rows_[static_cast<size_t>(row)]) {
    if (column >= box.column && column < box.column + box.width) selected_ = box.node;
  }
}

void FlameLayout::Mark(const re2::RE2* expression) {
  marks_.clear();
  marked_total_ = {};
  std::vector<bool> matches(graph_.names.size());
  for (size_t name = 1; expression != nullptr && name < graph_.names.size(); ++name) {
    matches[name] = RE2::PartialMatch(graph_.names[name], *expression);
  }
  std::vector<bool> below(graph_.nodes.size());  // a marked one
  for (uint32_t node = 0; node < graph_.nodes.size(); ++node) {
    marked_[node] = matches[graph_.nodes[node].name];
    below[node] = node != 0 && (below[graph_.nodes[node].parent] || marked_[graph_.nodes[node].parent]);
    if (!marked_[node]) continue;
    marks_.push_back(node);
    if (!below[node]) marked_total_ += graph_.nodes[node].total;
  }
  std::ranges::stable_sort(marks_, [this](uint32_t a, uint32_t b) {
    return graph_.nodes[a].total.value > graph_.nodes[b].total.value;
  });
}

void FlameLayout::SelectMarked(int step) {
  if (marks_.empty()) return;
  const size_t count = marks_.size();
  const auto at = std::ranges::find(marks_, selected_);
  size_t next = step > 0 ? 0 : count - 1;
  if (at != marks_.end()) {
    next = (static_cast<size_t>(at - marks_.begin()) + count + static_cast<size_t>(step)) % count;
  }
  selected_ = marks_[next];
  if (!HasBox(selected_)) Zoom(selected_);
}

bool FlameLayout::HasBox(uint32_t node) const {
  const auto row = static_cast<size_t>(depths_[node]);
  return row < rows_.size() &&
         std::ranges::any_of(rows_[row], [node](const FlameBox& box) { return box.node == node; });
}

}  // namespace pilotlight::cli
