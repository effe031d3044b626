// Selectors as Grafana's Pyroscope data source writes them: the profile type is one of the labels.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collector/store/matcher.h"
#include "profile/profile.h"

namespace pilotlight::collector {

inline constexpr absl::string_view kProfileTypeLabel = "__profile_type__";

// The type as labels: __profile_type__ is the whole, __name__, __type__, __unit__, __period_type__ and
// __period_unit__ are its parts.
Labels TypeLabels(const ProfileType& type);

struct PyroscopeSelector {
  std::string labels;         // the matchers of real labels, as a selector of ours
  std::vector<Matcher> type;  // those of TypeLabels()

  bool Takes(const ProfileType& profile_type) const;
};

// InvalidArgument as of ParseSelector().
absl::StatusOr<PyroscopeSelector> ParsePyroscopeSelector(absl::string_view text);

}  // namespace pilotlight::collector
