// Finds the mistakes in a collector's address that gRPC would only report as "unavailable", for ever.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pilotlight::agent {

// OK for HOST:PORT with a host name, an IPv4 address or an IPv6 address in brackets, and for names with one
// of gRPC's schemes (dns, ipv4, ipv6, unix, unix-abstract), which are left to gRPC. Else InvalidArgument.
absl::Status CheckCollectorAddress(absl::string_view address);

}  // namespace pilotlight::agent
