// Certificates and keys in PEM files, and OpenSSL's contexts made of them.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pilotlight {

struct TlsFiles {
  std::string cert_file;  // the certificate and, after it, those that lead to the authority
  std::string key_file;
  std::string ca_file;  // of the authorities that the other side is checked against

  // Those that are set.
  std::vector<std::string> paths() const;
};

// Contents of TlsFiles; empty where no file is set.
struct TlsPem {
  std::string cert;
  std::string key;
  std::string ca;
};

// InvalidArgument when a file has no certificate or key, or the key is not the certificate's; each error
// names the file. REQUIRES: cert_file and key_file are both set, or neither.
absl::StatusOr<TlsPem> ReadTlsPem(const TlsFiles& files);

enum class ClientCertificates { kNotAsked, kVerifiedIfGiven, kRequired };

// Versions are OpenSSL's numbers, such as TLS1_2_VERSION.
struct TlsServerConfig {
  TlsFiles files;
  ClientCertificates client_certificates = ClientCertificates::kNotAsked;
  int min_version;
  int max_version;
};

struct SslContextDeleter {
  void operator()(SSL_CTX* context) const;
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextDeleter>;

absl::StatusOr<SslContext> MakeServerContext(const TlsServerConfig& config);
// Nothing of one connection is resumed in another: a client whose authority was taken away is asked again.
void ForbidResumption(SSL_CTX& context);

}  // namespace pilotlight
