#include "base/client_access.h"

#include "absl/strings/str_cat.h"

namespace pilotlight {

absl::Status CheckClientAccess(const ClientAccess& access, absl::string_view ca_flag) {
  if (access.tls.cert_file.empty() != access.tls.key_file.empty()) {
    return absl::InvalidArgumentError("a client's certificate and its key are given both, or neither");
  }
  if (access.tls.ca_file.empty() && !(access.tls.cert_file.empty() && access.server_name.empty())) {
    return absl::InvalidArgumentError(absl::StrCat("TLS needs ", ca_flag));
  }
  return absl::OkStatus();
}

absl::StatusOr<TlsPem> ReadClientAccess(const ClientAccess& access) { return ReadTlsPem(access.tls); }

}  // namespace pilotlight
