// A profile rule: which part of the CPU time is counted under a name, so that it can be alerted on.
#pragma once

#include <string>
#include <vector>

#include "profile/profile.h"

namespace pilotlight::collector {

// Of the metrics of tenants, but the anonymous one.
inline constexpr char kTenantLabel[] = "tenant";

struct Rule {
  std::string name;      // the label `rule` of its metrics
  std::string selector;  // of series, as in queries; empty for all
  // RE2 expressions on function names, as in queries: the stacks with a match, less those with one of ignore.
  std::string focus;
  std::string ignore;
  // Labels of series that become labels of the metrics, "service_name" under the name "service".
  std::vector<std::string> group_by = {std::string(kServiceLabel)};

  friend bool operator==(const Rule&, const Rule&) = default;
};

}  // namespace pilotlight::collector
