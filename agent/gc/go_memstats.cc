#include "agent/gc/go_memstats.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace pilotlight::agent {
namespace {

// The end of the newest pause and last_gc_unix are one reading of the clock, or two that follow each other.
constexpr uint64_t kSameMomentNs = 1'000'000'000;
// Before the first Go version that is known to have this layout.
constexpr uint64_t kEarliestUnixNs = 1'500'000'000'000'000'000;

uint64_t Distance(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

bool IsPlausibleTime(uint64_t unix_ns, absl::Time now) {
  // A clock that has been set back since is allowed an hour.
  return unix_ns > kEarliestUnixNs &&
         unix_ns < static_cast<uint64_t>(absl::ToUnixNanos(now + absl::Hours(1)));
}

bool AddsUp(const GoMemStats& stats) {
  const uint64_t sum = std::accumulate(stats.pause_ns.begin(), stats.pause_ns.end(), uint64_t{0});
  if (stats.cycles > GoMemStats::kPauses) return sum <= stats.pause_total_ns;
  const auto is_zero = [](uint64_t value) { return value == 0; };
  // The slot of the next cycle is written before the cycle is counted.
  const size_t used = std::min<size_t>(stats.cycles + size_t{1}, GoMemStats::kPauses);
  return sum == stats.pause_total_ns &&
         std::all_of(stats.pause_ns.begin() + static_cast<ptrdiff_t>(used), stats.pause_ns.end(), is_zero) &&
         std::all_of(stats.pause_end_unix_ns.begin() + static_cast<ptrdiff_t>(used),
                     stats.pause_end_unix_ns.end(), is_zero);
}

}  // namespace

std::optional<GoMemStats> ParseGoMemStats(absl::string_view memory, absl::Time now) {
  GoMemStats stats;
  std::memcpy(static_cast<void*>(&stats), memory.data(), kGoMemStatsBytes);
  if (!IsPlausibleTime(stats.last_gc_unix_ns, now) || stats.cycles == 0) return std::nullopt;
  const uint64_t newest_end = stats.pause_end_unix_ns[(stats.cycles - 1) % GoMemStats::kPauses];
  const uint64_t next_end = stats.pause_end_unix_ns[stats.cycles % GoMemStats::kPauses];
  if (Distance(newest_end, stats.last_gc_unix_ns) > kSameMomentNs &&
      Distance(next_end, stats.last_gc_unix_ns) > kSameMomentNs) {
    return std::nullopt;
  }
  if (!AddsUp(stats)) return std::nullopt;
  return stats;
}

GcPauses PausesSince(const GoMemStats& stats, uint32_t last) {
  GcPauses result;
  const uint32_t fresh = stats.cycles - last;
  // The oldest slot may be the one that the next cycle is writing to.
  const uint32_t readable = std::min<uint32_t>(fresh, GoMemStats::kPauses - 1);
  result.missed = fresh - readable;
  for (uint32_t cycle = stats.cycles - readable + 1; cycle != stats.cycles + 1; ++cycle) {
    result.pauses_ns.push_back(stats.pause_of(cycle));
  }
  return result;
}

std::optional<size_t> FindGoMemStats(absl::string_view memory, absl::Time now) {
  for (size_t at = 0; at + kGoMemStatsBytes <= memory.size(); at += sizeof(uint64_t)) {
    uint64_t first = 0;
    std::memcpy(&first, memory.data() + at, sizeof(first));
    if (IsPlausibleTime(first, now) && ParseGoMemStats(memory.substr(at), now).has_value()) return at;
  }
  return std::nullopt;
}

}  // namespace pilotlight::agent
