// How `pilotlight peek` looks.
#pragma once

#include <cstddef>
#include <string>

#include "cli/collector_client.h"
#include "cli/top_view.h"

namespace pilotlight::cli {

// For people: a head, then each function with its callers above and its callees below. Of `head` its answer's
// quality and type count. `width` 0: no limit.
std::string PeekText(const PeekTable& table, const TopView& head, size_t width, bool colour,
                     absl::TimeZone zone);
// exporters/json.h's WritePeekJson with "subject", "quality" and, as RFC 3339, "start" and "end".
std::string PeekJson(const PeekTable& table, const TopView& head);

}  // namespace pilotlight::cli
