// The collector's end of gRPC connections: plain text, or TLS with the certificates as their files are now.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "absl/status/statusor.h"
#include "base/tls.h"

namespace pilotlight::collector {

// Plain text without files.cert_file. With files.ca_file each client must have a certificate of these
// authorities. Connections go on when a certificate is renewed; the next one has the new one. The error names
// the file that makes no sense; later such ones are logged, and what was there stays. Must outlive the
// server.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const TlsFiles& files);

}  // namespace pilotlight::collector
