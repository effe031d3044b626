// The headers Authorization and X-Scope-OrgID, and the path, which are read before anyone is known.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/tenant_name.h"
#include "collector/auth/authenticator.h"
#include "collector/auth/roles.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pilotlight::collector;  // NOLINT(google-build-using-namespace)
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  CHECK(TokenOf(text).size() <= size);
  const auto role = RequiredRole(text);
  CHECK(!role || Allows(Role::kAdmin, *role));
  if (pilotlight::CheckTenantName(text).ok()) CHECK(text.find('/') == text.npos && text != "..");
  return 0;
}
