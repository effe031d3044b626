// The file of --config.file, YAML:
//
//   rules:
//     - name: json
//       selector: '{namespace="shop"}'
//       focus: '^encoding/json\.'
//       ignore: 'main\.selfTest'
//       group_by: [service, version]
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collector/rules/rule.h"

namespace pilotlight::collector {

// One bit of a word for each.
inline constexpr size_t kMaxRules = 64;

// InvalidArgument says "file:line: field: what is wrong"; `path` is for that. Selectors and expressions are
// checked too.
absl::StatusOr<std::vector<Rule>> ParseRules(const std::string& yaml, absl::string_view path);
absl::StatusOr<std::vector<Rule>> ReadRules(const std::string& path);

}  // namespace pilotlight::collector
