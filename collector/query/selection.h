// What a question is about, as text, and the same understood.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/profile_store.h"
#include "profile/frame_filter.h"
#include "profile/stack_filter.h"

namespace pilotlight::collector {

// See Selection in proto/pilotlight/v1/query.proto.
struct SelectionText {
  std::string selector;
  std::string profile_type;         // CPU time when empty
  std::optional<absl::Time> start;  // an hour before the end when not set
  std::optional<absl::Time> end;    // now when not set
  std::string focus;
  std::string ignore;
  std::vector<std::string> call_site;  // StackFilter::SetCallSite()
  FrameFilterText frames;
};

struct Selection {
  StoreSelection store;
  StackFilter filter;
  FrameFilter frame_filter;
};

// InvalidArgument says which part makes no sense.
absl::StatusOr<Selection> ParseSelection(const SelectionText& text, absl::Time now);

// The defaults of a span; InvalidArgument when it is empty.
absl::StatusOr<TimeSpan> ResolveSpan(std::optional<absl::Time> start, std::optional<absl::Time> end,
                                     absl::Time now);

}  // namespace pilotlight::collector
