#include "cli/sparkline.h"

#include <algorithm>
#include <cmath>

namespace pilotlight::cli {
namespace {

// U+2581 to U+2588 grow upwards, U+258F down to U+2588 to the right.
constexpr const char* kUpwards[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr const char* kRightwards[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

std::vector<std::optional<double>> Average(const std::vector<std::optional<double>>& values, size_t width) {
  std::vector<std::optional<double>> groups;
  for (size_t i = 0; i < width; ++i) {
    double sum = 0;
    size_t count = 0;
    for (size_t j = i * values.size() / width; j < (i + 1) * values.size() / width; ++j) {
      if (!values[j]) continue;
      sum += *values[j];
      ++count;
    }
    groups.push_back(count == 0 ? std::nullopt : std::make_optional(sum / static_cast<double>(count)));
  }
  return groups;
}

}  // namespace

std::string Sparkline(const std::vector<std::optional<double>>& values, size_t width) {
  const std::vector<std::optional<double>> shown = values.size() > width ? Average(values, width) : values;
  double largest = 0;
  for (const std::optional<double>& value : shown) largest = std::max(largest, value.value_or(0));
  std::string line;
  for (const std::optional<double>& value : shown) {
    if (!value) {
      line += ' ';
      continue;
    }
    const double part = largest > 0 ? std::clamp(*value / largest, 0.0, 1.0) : 0;
    line += kUpwards[std::lround(part * 7)];
  }
  return line;
}

std::string Bar(double share, size_t width) {
  const double clamped = std::clamp(share, 0.0, 1.0);
  const auto eighths = static_cast<size_t>(std::lround(clamped * static_cast<double>(width) * 8));
  std::string bar;
  for (size_t i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kRightwards[eighths % 8];
  return bar;
}

}  // namespace pilotlight::cli
