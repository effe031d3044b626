#include "profile/statistics.h"

#include <algorithm>
#include <cmath>

namespace pilotlight {

Interval WilsonInterval(uint64_t hits, uint64_t total) {
  if (total == 0) return {0, 1};
  constexpr double kZ = 1.959964;  // 97.5th percentile of the normal distribution
  const auto n = static_cast<double>(total);
  const double p = static_cast<double>(hits) / n;
  const double centre = p + kZ * kZ / (2 * n);
  const double spread = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {std::max(0.0, (centre - spread) / scale), std::min(1.0, (centre + spread) / scale)};
}

}  // namespace pilotlight
