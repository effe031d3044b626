// Divides a whole number by weights, without losing a unit.
#pragma once

#include <cstdint>
#include <vector>

namespace pilotlight::agent {

// Largest remainder method (A. Hamilton, 1792): each part is its exact share, rounded down or up, and they
// add up to `total`; of equal remainders the earlier comes first. All zero when the weights are.
std::vector<uint64_t> ShareOut(uint64_t total, const std::vector<uint64_t>& weights);

}  // namespace pilotlight::agent
