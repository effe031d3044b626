// Who shares a collector without seeing each other: the name of a tenant.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pilotlight {

// Whose profiles are of nobody in particular.
inline constexpr absl::string_view kAnonymousTenant = "anonymous";

// InvalidArgument unless it is of 1 to 150 letters, digits and ! - _ . * ' ( ), and neither "." nor "..": as
// Grafana's databases have it. So it can be the name of a directory.
absl::Status CheckTenantName(absl::string_view name);

}  // namespace pilotlight
