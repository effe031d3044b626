// What a Go program's garbage collector has written down of its own pauses, found in the program's memory:
// runtime.memstats has the 256 newest, their sum, and how many there were. Nothing is asked of the program
// and nothing stops it. Pure functions on bytes: they trust nothing.
//
// Layout: runtime/mstats.go, `mstats` from last_gc_unix to numgc, of Go 1.18 to 1.26.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pilotlight::agent {

struct GoMemStats {
  static constexpr size_t kPauses = 256;

  uint64_t last_gc_unix_ns = 0;
  uint64_t pause_total_ns = 0;
  // Of cycle n, counted from 1, at (n - 1) % kPauses: all stops of one cycle together, and when the last
  // ended.
  std::array<uint64_t, kPauses> pause_ns = {};
  std::array<uint64_t, kPauses> pause_end_unix_ns = {};
  uint32_t cycles = 0;

  // REQUIRES: 1 ≤ cycle ≤ cycles, and at most kPauses ago.
  uint64_t pause_of(uint32_t cycle) const { return pause_ns[(cycle - 1) % kPauses]; }
};

// In the program's memory.
inline constexpr size_t kGoMemStatsBytes = offsetof(GoMemStats, cycles) + sizeof(uint32_t);

// The record at the start of `memory`, when what is there can be one of a program that has collected at least
// once, at the latest at `now`: the pauses must add up, and end where the record says.
// REQUIRES: memory.size() ≥ kGoMemStatsBytes.
std::optional<GoMemStats> ParseGoMemStats(absl::string_view memory, absl::Time now);

struct GcPauses {
  std::vector<uint64_t> pauses_ns;  // the oldest first
  uint64_t missed = 0;              // were overwritten before they could be read
};

// Those after cycle `last`.
GcPauses PausesSince(const GoMemStats& stats, uint32_t last);

// Where in `memory`, at multiples of 8, the first such record starts.
std::optional<size_t> FindGoMemStats(absl::string_view memory, absl::Time now);

}  // namespace pilotlight::agent
