#include "cli/time_text.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/time_text.h"

namespace pilotlight::cli {

absl::StatusOr<absl::Time> ParseLocalTimeText(absl::string_view text, absl::Time now, absl::TimeZone zone) {
  for (const char* format :
       {"%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    absl::Time time;
    std::string error;
    if (absl::ParseTime(format, text, zone, &time, &error)) return time;
  }
  return ParseTimeText(text, now);
}

absl::StatusOr<TimeSpan> ResolveSpan(absl::Duration since, absl::string_view from, absl::string_view to,
                                     absl::Time now, absl::TimeZone zone) {
  TimeSpan span;
  span.end = now;
  if (!to.empty()) {
    ASSIGN_OR_RETURN(span.end, ParseLocalTimeText(to, now, zone));
  }
  span.start = span.end - since;
  if (!from.empty()) {
    ASSIGN_OR_RETURN(span.start, ParseLocalTimeText(from, now, zone));
  }
  if (span.start >= span.end) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the span is empty: it starts at ", absl::FormatTime("%Y-%m-%d %H:%M:%S", span.start, zone),
        " and ends at ", absl::FormatTime("%Y-%m-%d %H:%M:%S", span.end, zone)));
  }
  return span;
}

std::string SpanText(const TimeSpan& span, absl::TimeZone zone) {
  const bool same_day =
      absl::FormatTime("%Y-%m-%d", span.start, zone) == absl::FormatTime("%Y-%m-%d", span.end, zone);
  return absl::StrCat(absl::FormatTime("%Y-%m-%d %H:%M:%S", span.start, zone), " to ",
                      absl::FormatTime(same_day ? "%H:%M:%S %Z" : "%Y-%m-%d %H:%M:%S %Z", span.end, zone));
}

}  // namespace pilotlight::cli
