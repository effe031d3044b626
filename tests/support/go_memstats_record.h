// The bytes of runtime.memstats, as a Go program that has collected so often holds them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/time/time.h"
#include "agent/gc/go_memstats.h"

namespace pilotlight::agent {

inline uint64_t PauseOfCycle(uint32_t cycle) { return 10'000 + cycle; }

// The last cycle was at `now`, each other a second before the next.
inline std::string GoMemStatsRecord(uint32_t cycles, absl::Time now) {
  GoMemStats stats;
  stats.cycles = cycles;
  stats.last_gc_unix_ns = static_cast<uint64_t>(absl::ToUnixNanos(now));
  stats.pause_total_ns = uint64_t{cycles} * 10'000 + uint64_t{cycles} * (uint64_t{cycles} + 1) / 2;
  const uint32_t kept = std::min<uint32_t>(cycles, GoMemStats::kPauses);
  for (uint32_t cycle = cycles - kept + 1; cycle != cycles + 1; ++cycle) {
    const size_t slot = (cycle - 1) % GoMemStats::kPauses;
    stats.pause_ns[slot] = PauseOfCycle(cycle);
    stats.pause_end_unix_ns[slot] = stats.last_gc_unix_ns - uint64_t{cycles - cycle} * 1'000'000'000;
  }
  std::string bytes(kGoMemStatsBytes, '\0');
  std::memcpy(bytes.data(), &stats, kGoMemStatsBytes);
  return bytes;
}

}  // namespace pilotlight::agent
