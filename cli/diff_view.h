// How `pilotlight diff` looks.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "cli/collector_client.h"

namespace pilotlight::cli {

struct DiffView {
  struct Side {
    std::string subject;           // a selector or a file name
    std::optional<TimeSpan> span;  // nothing when the file does not tell
  };
  Side base;
  Side comparison;
  TopOrder order = TopOrder::kFlat;
  bool filtered = false;  // --focus or --ignore: the shares are of what they leave
  DiffAnswer answer;
};

// For people: a head for each side, then a table in points of the share, with marks where a change is more
// than chance. `width` 0: no limit.
std::string DiffText(const DiffView& view, size_t width, bool colour, absl::TimeZone zone);
// exporters/json.h's WriteDiffJson with "order" and, in "base" and "comparison", "subject", "quality" and, as
// RFC 3339, "start" and "end".
std::string DiffJson(const DiffView& view);

}  // namespace pilotlight::cli
