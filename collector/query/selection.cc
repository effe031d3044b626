#include "collector/query/selection.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace pilotlight::collector {

absl::StatusOr<TimeSpan> ResolveSpan(std::optional<absl::Time> start, std::optional<absl::Time> end,
                                     absl::Time now) {
  TimeSpan span;
  span.end = end.value_or(now);
  span.start = start.value_or(span.end - absl::Hours(1));
  if (span.start >= span.end) {
    return absl::InvalidArgumentError(
        absl::StrCat("the span is empty: it starts at ", absl::FormatTime(span.start, absl::UTCTimeZone()),
                     " and ends at ", absl::FormatTime(span.end, absl::UTCTimeZone())));
  }
  return span;
}

absl::StatusOr<Selection> ParseSelection(const SelectionText& text, absl::Time now) {
  Selection selection;
  if (!text.profile_type.empty()) {
    ASSIGN_OR_RETURN(selection.store.type, ProfileType::Parse(text.profile_type));
  }
  ASSIGN_OR_RETURN(selection.store.span, ResolveSpan(text.start, text.end, now));
  ASSIGN_OR_RETURN(selection.store.matchers, ParseSelector(text.selector));
  ASSIGN_OR_RETURN(selection.filter, StackFilter::Create(text.focus, text.ignore));
  selection.filter.SetCallSite(text.call_site);
  ASSIGN_OR_RETURN(selection.frame_filter, FrameFilter::Create(text.frames));
  return selection;
}

}  // namespace pilotlight::collector
