// Counters that BPF programs keep for each CPU: structs of nothing but 64-bit numbers.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace pilotlight::agent {

template <typename Counters>
using CounterArray = std::array<uint64_t, sizeof(Counters) / sizeof(uint64_t)>;

template <typename Counters>
Counters Difference(const Counters& now, const Counters& before) {
  auto result = std::bit_cast<CounterArray<Counters>>(now);
  const auto subtracted = std::bit_cast<CounterArray<Counters>>(before);
  for (size_t i = 0; i < result.size(); ++i) result[i] -= subtracted[i];
  return std::bit_cast<Counters>(result);
}

template <typename Counters>
void Accumulate(Counters& sum, const Counters& more) {
  auto result = std::bit_cast<CounterArray<Counters>>(sum);
  const auto added = std::bit_cast<CounterArray<Counters>>(more);
  for (size_t i = 0; i < result.size(); ++i) result[i] += added[i];
  sum = std::bit_cast<Counters>(result);
}

}  // namespace pilotlight::agent
