#include "base/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace pilotlight {
namespace {

constexpr size_t kMaxPemBytes = size_t{1} << 20;

template <typename T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* object) const { Free(object); }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO, BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;

Bio Reader(const std::string& pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

// Nobody is there to be asked for a password.
int NoPassword(char* /*buffer*/, int /*size*/, int /*is_writing*/, void* /*data*/) { return -1; }

std::vector<Certificate> ReadCertificates(const std::string& pem) {
  const Bio reader = Reader(pem);
  std::vector<Certificate> certificates;
  while (X509* const certificate = PEM_read_bio_X509(reader.get(), nullptr, NoPassword, nullptr)) {
    certificates.emplace_back(certificate);
  }
  ERR_clear_error();  // the end of the text is one
  return certificates;
}

Key ReadKey(const std::string& pem) {
  Key key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  return key;
}

absl::Status Wrong(const std::string& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", what));
}

}  // namespace

std::vector<std::string> TlsFiles::paths() const {
  std::vector<std::string> paths;
  for (const std::string* path : {&cert_file, &key_file, &ca_file}) {
    if (!path->empty()) paths.push_back(*path);
  }
  return paths;
}

absl::StatusOr<TlsPem> ReadTlsPem(const TlsFiles& files) {
  TlsPem pem;
  if (!files.cert_file.empty()) {
    ASSIGN_OR_RETURN(pem.cert, ReadFile(files.cert_file, kMaxPemBytes));
    ASSIGN_OR_RETURN(pem.key, ReadFile(files.key_file, kMaxPemBytes));
    const std::vector<Certificate> chain = ReadCertificates(pem.cert);
    if (chain.empty()) return Wrong(files.cert_file, "no certificate in PEM");
    const Key key = ReadKey(pem.key);
    if (key == nullptr) return Wrong(files.key_file, "no private key in PEM, or one with a password");
    const bool fits = X509_check_private_key(chain.front().get(), key.get()) == 1;
    ERR_clear_error();
    if (!fits) return Wrong(files.key_file, absl::StrCat("is not the key of ", files.cert_file));
  }
  if (!files.ca_file.empty()) {
    ASSIGN_OR_RETURN(pem.ca, ReadFile(files.ca_file, kMaxPemBytes));
    if (ReadCertificates(pem.ca).empty()) return Wrong(files.ca_file, "no certificate in PEM");
  }
  return pem;
}

void SslContextDeleter::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

absl::StatusOr<SslContext> MakeServerContext(const TlsServerConfig& config) {
  ASSIGN_OR_RETURN(const TlsPem pem, ReadTlsPem(config.files));
  SslContext context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return absl::InternalError("OpenSSL makes no context");
  ForbidResumption(*context);
  SSL_CTX_set_min_proto_version(context.get(), config.min_version);
  SSL_CTX_set_max_proto_version(context.get(), config.max_version);

  std::vector<Certificate> chain = ReadCertificates(pem.cert);
  bool ok = !chain.empty() && SSL_CTX_use_certificate(context.get(), chain.front().get()) == 1;
  for (size_t i = 1; ok && i < chain.size(); ++i) {
    ok = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
  }
  ok = ok && SSL_CTX_use_PrivateKey(context.get(), ReadKey(pem.key).get()) == 1;
  if (!ok) {
    const char* const reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return Wrong(config.files.cert_file,
                 absl::StrCat("OpenSSL does not take it: ", reason == nullptr ? "no reason" : reason));
  }
  for (const Certificate& authority : ReadCertificates(pem.ca)) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.get());
    SSL_CTX_add_client_CA(context.get(), authority.get());
  }
  ERR_clear_error();
  switch (config.client_certificates) {
    case ClientCertificates::kNotAsked:
      break;
    case ClientCertificates::kVerifiedIfGiven:
      SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
      break;
    case ClientCertificates::kRequired:
      SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      break;
  }
  return context;
}

void ForbidResumption(SSL_CTX& context) {
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(&context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_num_tickets(&context, 0);
}

}  // namespace pilotlight
