#include "profile/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pilotlight {
namespace {

double LogFactorial(double n) {
  int sign = 0;  // lgamma(3) writes it to a global variable
  return ::lgamma_r(n + 1, &sign);
}

double LogChoose(double n, double k) { return LogFactorial(n) - LogFactorial(k) - LogFactorial(n - k); }

// Fisher's exact test, twice the tail of the hypergeometric distribution on which `hits_a` lies.
double ExactPValue(double hits_a, double total_a, double hits_b, double total_b) {
  const double hits = hits_a + hits_b;
  const double total = total_a + total_b;
  // With the sides exchanged the upper tail is the lower one.
  if (hits_a * total_b < hits_b * total_a) return ExactPValue(hits_b, total_b, hits_a, total_a);
  double term = std::exp(LogChoose(total_a, hits_a) + LogChoose(total_b, hits_b) - LogChoose(total, hits));
  double tail = 0;
  // Above the mean terms only shrink, ever faster: what is left out adds nothing that counts.
  constexpr double kNegligible = 1e-12;
  const double last = std::min(hits, total_a);
  for (double k = hits_a; k <= last && term > tail * kNegligible; ++k) {
    tail += term;
    term *= (hits - k) * (total_a - k) / ((k + 1) * (total_b - hits + k + 1));
  }
  return std::min(1.0, 2 * tail);
}

}  // namespace

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

double TwoProportionPValue(uint64_t hits_a, uint64_t total_a, uint64_t hits_b, uint64_t total_b) {
  if (total_a == 0 || total_b == 0) return 1;
  if (hits_a + hits_b == 0 || hits_a + hits_b == total_a + total_b) return 1;
  const auto a = static_cast<double>(total_a);
  const auto b = static_cast<double>(total_b);
  const double pooled = static_cast<double>(hits_a + hits_b) / (a + b);
  constexpr double kLeastExpected = 5;
  if (std::min(a, b) * std::min(pooled, 1 - pooled) < kLeastExpected) {
    return ExactPValue(static_cast<double>(hits_a), a, static_cast<double>(hits_b), b);
  }
  const double difference = static_cast<double>(hits_a) / a - static_cast<double>(hits_b) / b;
  const double z = difference / std::sqrt(pooled * (1 - pooled) * (1 / a + 1 / b));
  return std::erfc(std::abs(z) / std::sqrt(2));
}

std::vector<double> AdjustForFalseDiscovery(const std::vector<double>& p_values) {
  std::vector<size_t> by_value(p_values.size());
  std::iota(by_value.begin(), by_value.end(), 0);
  std::ranges::sort(by_value, {}, [&p_values](size_t i) { return p_values[i]; });
  std::vector<double> adjusted(p_values.size());
  double smallest = 1;
  for (size_t rank = p_values.size(); rank > 0; --rank) {
    const size_t i = by_value[rank - 1];
    smallest =
        std::min(smallest, p_values[i] * static_cast<double>(p_values.size()) / static_cast<double>(rank));
    adjusted[i] = smallest;
  }
  return adjusted;
}

}  // namespace pilotlight
