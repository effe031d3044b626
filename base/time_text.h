// Points in time as people write them in URLs and flags.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pilotlight {

// "now", "now-1h30m", "-1h", RFC 3339 ("2024-05-01T12:00:00Z"), Unix seconds ("1714564800", "1714564800.5"),
// and Unix milliseconds where seconds would be past the year 5000. InvalidArgument shows what may be written.
absl::StatusOr<absl::Time> ParseTimeText(absl::string_view text, absl::Time now);

}  // namespace pilotlight
