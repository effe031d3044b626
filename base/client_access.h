// How a client of the collector knows it, and how it makes itself known.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tls.h"

namespace pilotlight {

struct ClientAccess {
  TlsFiles tls;             // without ca_file it is plain text
  std::string server_name;  // in the collector's certificate, when it is not the address's host
  std::string token_file;
  std::string tenant;  // sent as X-Scope-OrgID when not empty
};

// gRPC's name of that header.
inline constexpr char kTenantMetadata[] = "x-scope-orgid";

// What the files of a ClientAccess hold.
struct ClientSecrets {
  TlsPem pem;
  std::string authorization;  // of each call: "Bearer TOKEN"; empty without a token
};

// InvalidArgument when what is given makes no sense together. `ca_flag` is the name of the flag that sets
// tls.ca_file.
absl::Status CheckClientAccess(const ClientAccess& access, absl::string_view ca_flag);

// What the files hold now. To be read for each connection: so what was renewed is taken.
absl::StatusOr<ClientSecrets> ReadClientAccess(const ClientAccess& access);

}  // namespace pilotlight
