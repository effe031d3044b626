#include "base/client_access.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/tenant_name.h"

namespace pilotlight {

absl::Status CheckClientAccess(const ClientAccess& access, absl::string_view ca_flag) {
  if (access.tls.cert_file.empty() != access.tls.key_file.empty()) {
    return absl::InvalidArgumentError("a client's certificate and its key are given both, or neither");
  }
  if (access.tls.ca_file.empty() && !(access.tls.cert_file.empty() && access.server_name.empty())) {
    return absl::InvalidArgumentError(absl::StrCat("TLS needs ", ca_flag));
  }
  // gRPC ends the program for what cannot be in a header.
  return access.tenant.empty() ? absl::OkStatus() : CheckTenantName(access.tenant);
}

absl::StatusOr<ClientSecrets> ReadClientAccess(const ClientAccess& access) {
  ClientSecrets secrets;
  ASSIGN_OR_RETURN(secrets.pem, ReadTlsPem(access.tls));
  if (access.token_file.empty()) return secrets;
  constexpr size_t kMaxBytes = 1024;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(access.token_file, kMaxBytes));
  const absl::string_view token = absl::StripAsciiWhitespace(text);
  // What a header cannot hold.
  const auto is_plain = [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); };
  if (token.empty() || !std::ranges::all_of(token, is_plain)) {
    return absl::InvalidArgumentError(
        absl::StrCat(access.token_file, ": must have one token, and nothing else"));
  }
  secrets.authorization = absl::StrCat("Bearer ", token);
  return secrets;
}

}  // namespace pilotlight
