#include "collector/api/grpc_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
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
  FileCredentials(TlsFiles files, AdmitCall admit, FileWatch watch, TlsPem pem)
      : files_(std::move(files)), admit_(std::move(admit)), watch_(std::move(watch)), pem_(std::move(pem)) {
    credentials_ = files_.cert_file.empty() ? grpc_insecure_server_credentials_create() : MakeTls();
    if (admit_) {
      grpc_server_credentials_set_auth_metadata_processor(
          credentials_, {.process = Process, .destroy = nullptr, .state = this});
    }
  }
  ~FileCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {
    CHECK(false);  // nobody does
  }

 private:
  grpc_server_credentials* MakeTls() {
    grpc_ssl_server_credentials_options* const options =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            files_.ca_file.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                   : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY,
            Fetch, this);
    return grpc_ssl_server_credentials_create_with_options(options);  // takes them
  }

  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static absl::string_view View(const grpc_slice& slice) {
    return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
  }

  // At the start of each call; see HeadersOf().
  static void Process(void* self, grpc_auth_context* /*context*/, const grpc_metadata* metadata, size_t count,
                      grpc_process_auth_metadata_done_cb done, void* call) {
    absl::string_view method;
    CallHeaders headers;
    size_t authorizations = 0;
    size_t tenants = 0;
    for (size_t i = 0; i < count; ++i) {
      const absl::string_view key = View(metadata[i].key);
      if (key == ":path") method = View(metadata[i].value);
      if (key == kAuthorizationHeader) {
        ++authorizations;
        headers.authorization = std::string(View(metadata[i].value));
      }
      if (key == kTenantHeader) {
        absl::StrAppend(&headers.tenant, tenants++ > 0 ? "," : "", View(metadata[i].value));
      }
    }
    if (authorizations > 1) headers.authorization.clear();
    const absl::Status status = static_cast<FileCredentials*>(self)->admit_(method, headers).status();
    const std::string message(status.message());
    done(call, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.code()),
         status.ok() ? nullptr : message.c_str());
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
  const AdmitCall admit_;
  grpc_server_credentials* credentials_ = nullptr;
  Mutex mutex_;
  FileWatch watch_ ABSL_GUARDED_BY(mutex_);
  TlsPem pem_ ABSL_GUARDED_BY(mutex_);
  bool is_taken_ ABSL_GUARDED_BY(mutex_) = false;  // by gRPC
};

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const TlsFiles& files,
                                                                               AdmitCall admit) {
  if (files.cert_file.empty() && !admit) return grpc::InsecureServerCredentials();
  FileWatch watch(files.paths());
  ASSIGN_OR_RETURN(TlsPem pem, ReadTlsPem(files));
  return std::make_shared<FileCredentials>(files, std::move(admit), std::move(watch), std::move(pem));
}

}  // namespace pilotlight::collector
