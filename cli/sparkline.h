// Small pictures made of block characters.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace pilotlight::cli {

// One character per value, from the lowest block for 0 to the full one for the largest; a value that is not
// there is a space. More than `width` values are averaged in groups. Empty when there are none.
std::string Sparkline(const std::vector<std::optional<double>>& values, size_t width);

// A horizontal bar of `share` (0 to 1) of `width` columns, in eighths of a column.
std::string Bar(double share, size_t width);

}  // namespace pilotlight::cli
