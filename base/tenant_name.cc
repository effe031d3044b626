#include "base/tenant_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace pilotlight {

absl::Status CheckTenantName(absl::string_view name) {
  constexpr size_t kMaxBytes = 150;
  const auto is_valid = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view("!-_.*'()").find(c) != absl::string_view::npos;
  };
  if (!name.empty() && name.size() <= kMaxBytes && std::ranges::all_of(name, is_valid) && name != "." &&
      name != "..") {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", absl::CHexEscape(name.substr(0, kMaxBytes)), "\" is no name of a tenant: it is of 1 to ",
      kMaxBytes, " letters, digits and ! - _ . * ' ( ), and neither \".\" nor \"..\""));
}

}  // namespace pilotlight
