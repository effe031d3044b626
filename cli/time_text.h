// The span of time that --since, --from and --to mean.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pilotlight::cli {

struct TimeSpan {
  absl::Time start;
  absl::Time end;
};

// What base/time_text.h reads, and "2024-05-01 12:00:00", "2024-05-01 12:00", "2024-05-01" in `zone`.
absl::StatusOr<absl::Time> ParseLocalTimeText(absl::string_view text, absl::Time now, absl::TimeZone zone);

// What --since, --from and --to mean together: the end is `to` or now, the start is `from` or `since` before
// the end. InvalidArgument when the start is not before the end.
absl::StatusOr<TimeSpan> ResolveSpan(absl::Duration since, absl::string_view from, absl::string_view to,
                                     absl::Time now, absl::TimeZone zone);

// "2024-05-01 12:00:00 to 13:00:00 UTC": the date once when it is the same day.
std::string SpanText(const TimeSpan& span, absl::TimeZone zone);

}  // namespace pilotlight::cli
