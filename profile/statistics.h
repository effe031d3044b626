// How sure a share is, and a difference of two.
#pragma once

#include <cstdint>
#include <vector>

namespace pilotlight {

struct Interval {
  double lower = 0;
  double upper = 1;
};

// The 95 % score interval of a proportion of `hits` in `total` (E. B. Wilson, "Probable inference, the law
// of succession, and statistical inference", 1927). [0, 1] when `total` is 0. REQUIRES: hits ≤ total.
Interval WilsonInterval(uint64_t hits, uint64_t total);

// The two-sided p-value of "a and b have the same share": the z-test of two proportions with a pooled
// variance (the square root of K. Pearson's chi-squared, 1900). Where a cell of the 2 × 2 table is expected
// to hold less than 5, the normal distribution does not fit (W. G. Cochran, "Some methods for strengthening
// the common χ² tests", 1954): there it is R. A. Fisher's exact test ("The design of experiments", 1935),
// twice the smaller tail. 1 when nothing can be said: a total is 0, or no sample or each of them is a hit.
//
// Assumes that samples are independent of each other, as those of a clock nearly are. What differs from
// window to window or from pod to pod for other reasons is not in it: a small p-value says that the two
// samplings differ, not why. REQUIRES: hits ≤ total.
double TwoProportionPValue(uint64_t hits_a, uint64_t total_a, uint64_t hits_b, uint64_t total_b);

// Each p-value corrected for there being many: those of at most q are together wrong in a share of q at most
// (Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", 1995), independent or positively
// dependent as the nodes of a stack are (Y. Benjamini, D. Yekutieli, 2001).
std::vector<double> AdjustForFalseDiscovery(const std::vector<double>& p_values);

}  // namespace pilotlight
