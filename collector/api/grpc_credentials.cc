#include "collector/api/grpc_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "base/check.h"
#include "base/file_watch.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace pilotlight::collector {
namespace {

// Over gRPC's C interface: of the C++ ones, none takes another certificate while it serves but by a thread
// that polls, which also takes a key before its certificate, and then has neither.
class FileCredentials final : public grpc::ServerCredentials {
 public:
  FileCredentials(TlsFiles files, TlsPem pem)
      : files_(std::move(files)), watch_(files_.paths()), pem_(std::move(pem)) {
    grpc_ssl_server_credentials_options* const options =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            files_.ca_file.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                   : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY,
            Fetch, this);
    credentials_ = grpc_ssl_server_credentials_create_with_options(options);  // takes them
  }
  ~FileCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {
    CHECK(false);  // nobody does
  }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // Before each handshake.
  static grpc_ssl_certificate_config_reload_status Fetch(void* self,
                                                         grpc_ssl_server_certificate_config** config) {
    return static_cast<FileCredentials*>(self)->Fetch(config);
  }

  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    const MutexLock lock(mutex_);
    if (watch_.Changed()) {
      absl::StatusOr<TlsPem> pem = ReadTlsPem(files_);
      if (pem.ok()) {
        pem_ = *std::move(pem);
        is_taken_ = false;
        spdlog::info("the certificate of gRPC was read again");
      } else {
        spdlog::error("gRPC goes on with its certificate from before: {}",
                      std::string(pem.status().message()));
      }
    }
    if (is_taken_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    is_taken_ = true;
    const grpc_ssl_pem_key_cert_pair pair = {pem_.key.c_str(), pem_.cert.c_str()};
    // gRPC insists on some certificate here, also where it asks clients for none and never looks at it.
    const std::string& authorities = pem_.ca.empty() ? pem_.cert : pem_.ca;
    *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const TlsFiles files_;
  grpc_server_credentials* credentials_ = nullptr;
  Mutex mutex_;
  FileWatch watch_ ABSL_GUARDED_BY(mutex_);
  TlsPem pem_ ABSL_GUARDED_BY(mutex_);
  bool is_taken_ ABSL_GUARDED_BY(mutex_) = false;  // by gRPC
};

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const TlsFiles& files) {
  if (files.cert_file.empty()) return grpc::InsecureServerCredentials();
  ASSIGN_OR_RETURN(TlsPem pem, ReadTlsPem(files));
  return std::make_shared<FileCredentials>(files, std::move(pem));
}

}  // namespace pilotlight::collector
