#include "agent/fold/share_out.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>

#include "absl/numeric/int128.h"

namespace pilotlight::agent {

std::vector<uint64_t> ShareOut(uint64_t total, const std::vector<uint64_t>& weights) {
  std::vector<uint64_t> parts(weights.size(), 0);
  absl::uint128 sum = 0;
  for (const uint64_t weight : weights) sum += weight;
  if (sum == 0) return parts;
  std::vector<absl::uint128> remainders(weights.size());
  uint64_t rest = total;
  for (size_t i = 0; i < weights.size(); ++i) {
    const absl::uint128 product = absl::uint128(total) * weights[i];
    parts[i] = static_cast<uint64_t>(product / sum);
    remainders[i] = product % sum;
    rest -= parts[i];
  }
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>{}, [&remainders](size_t i) { return remainders[i]; });
  // Each remainder is below one unit, so there are fewer units left than parts.
  for (size_t i = 0; i < rest; ++i) ++parts[order[i]];
  return parts;
}

}  // namespace pilotlight::agent
