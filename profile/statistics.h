// How sure a share is.
#pragma once

#include <cstdint>

namespace pilotlight {

struct Interval {
  double lower = 0;
  double upper = 1;
};

// The 95 % score interval of a proportion of `hits` in `total` (E. B. Wilson, "Probable inference, the law
// of succession, and statistical inference", 1927). [0, 1] when `total` is 0. REQUIRES: hits ≤ total.
Interval WilsonInterval(uint64_t hits, uint64_t total);

}  // namespace pilotlight
