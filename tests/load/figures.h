// The lines of a benchmark's table: a figure, its goal, and whether it is met.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace pilotlight::load {

struct Goal {
  double value = 0;
  bool at_least = false;  // else at most
};

// One decimal where it says something.
inline std::string Rounded(double value) { return absl::StrFormat(value < 100 ? "%.1f" : "%.0f", value); }

inline void PrintFigure(const std::string& name, double value, const std::string& unit, const Goal& goal) {
  const bool met = goal.at_least ? value >= goal.value : value <= goal.value;
  absl::PrintF("%-58s %10s %-10s  %s %s  %s\n", name, Rounded(value), unit, goal.at_least ? "≥" : "≤",
               absl::StrFormat("%-6g", goal.value), met ? "met" : "missed");
  std::fflush(stdout);
}

// Without a goal.
inline void PrintNote(const std::string& text) {
  absl::PrintF("    %s\n", text);
  std::fflush(stdout);
}

// Of a list that is not empty.
inline absl::Duration Percentile(std::vector<absl::Duration> times, double share) {
  std::sort(times.begin(), times.end());
  return times[static_cast<size_t>(std::lround(share * static_cast<double>(times.size() - 1)))];
}

}  // namespace pilotlight::load
