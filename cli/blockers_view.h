// How `pilotlight top --blockers` looks.
#pragma once

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "cli/top_view.h"
#include "profile/blockers.h"

namespace pilotlight::cli {

// For people: the head of `view`, what mcall costs, then a table. `width` 0: no limit.
std::string BlockersText(const BlockerTable& table, const TopView& view, size_t width, bool colour,
                         absl::TimeZone zone);

// {"type", "unit", "subject", "total", "mcall", "joined", "functions",
//  "rows": [{"function", "file", "wait", "mcall": {count, value}, "share": [lower, upper]}, …]}
// as exporters/json.h has its members; a share is of the samples with runtime.mcall.
std::string BlockersJson(const BlockerTable& table, const TopView& view);

}  // namespace pilotlight::cli
