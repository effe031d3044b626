// The parameters of the collector's HTTP addresses.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/http_server.h"
#include "collector/query/selection.h"

namespace pilotlight::collector {

// selector, from, to, type, focus, ignore, show, hide, prune_from. Also what users of other profilers type:
// `query` for selector, there with the type in front ("process_cpu:cpu:nanoseconds:cpu:nanoseconds{…}");
// start, until and end; seconds=N for the last N seconds, before `to` when it is given. `more` names the
// parameters that the page has besides. InvalidArgument for one that is not known: a typing error must not
// answer another question.
absl::StatusOr<SelectionText> ReadSelection(const HttpRequest& request, absl::Time now,
                                            std::initializer_list<absl::string_view> more = {});

// What a diff compares `comparison`, with its span resolved, to: base_selector, base_from, base_to in place
// of its own. Without a time it is the same time for another selector, else the span of equal length right
// before.
absl::StatusOr<SelectionText> ReadBaseSelection(const HttpRequest& request, const SelectionText& comparison,
                                                absl::Time now);

}  // namespace pilotlight::collector
