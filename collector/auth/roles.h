// What one may do with a token, and what may be done with which.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"

namespace pilotlight::collector {

enum class Role { kWrite, kRead, kAdmin };  // sends profiles, asks for them, does everything

absl::string_view ToString(Role role);
std::optional<Role> ParseRole(absl::string_view text);

// What a path of HTTP or a method of gRPC ("/pilotlight.v1.Query/Top") needs; nothing for those open to
// everyone.
std::optional<Role> RequiredRole(absl::string_view path);

// What shows or changes more than one tenant's, so that it is not for tokens of a tenant.
bool IsOfAllTenants(absl::string_view path);

bool Allows(Role has, Role needed);

}  // namespace pilotlight::collector
