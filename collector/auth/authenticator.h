// Who is let in, and to what.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file_watch.h"
#include "base/mutex.h"
#include "base/refusal_metrics.h"
#include "collector/auth/token_file.h"

namespace pilotlight::collector {

struct AuthenticatorOptions {
  std::string token_file;            // token_file.h; empty lets everyone in
  bool takes_tenant_header = false;  // of callers whose token names no tenant
};

// What a call says of the caller.
struct CallHeaders {
  // "Bearer TOKEN", or Basic with the token as the password, which browsers ask for.
  std::string authorization;
  std::string tenant;  // X-Scope-OrgID, as Grafana's databases have it
};

// The names of these headers, as HTTP/2 has them.
inline constexpr char kAuthorizationHeader[] = "authorization";
inline constexpr char kTenantHeader[] = "x-scope-orgid";

// Thread-safe. The file is read again by who asks first after it has changed; one that makes no sense changes
// nothing but the log.
class Authenticator {
 public:
  // The metrics must outlive it.
  static absl::StatusOr<std::unique_ptr<Authenticator>> Open(const AuthenticatorOptions& options,
                                                             RefusalMetrics& metrics);

  // The tenant that the call is of. `path` is one of HTTP or a method of gRPC. Unauthenticated without a
  // token that is known, PermissionDenied when it is not for this or not for this tenant, InvalidArgument for
  // what is no name of a tenant; all are counted.
  absl::StatusOr<std::string> Admit(absl::string_view protocol, absl::string_view path,
                                    const CallHeaders& headers);

 private:
  using Tokens = std::shared_ptr<const std::vector<TokenEntry>>;

  Authenticator(const AuthenticatorOptions& options, RefusalMetrics& metrics);
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Tokens Current();
  // The tenant that the token names; empty when it names none.
  absl::StatusOr<std::string> AdmitToken(absl::string_view protocol, absl::string_view path, Role needed,
                                         const std::string& authorization);

  const AuthenticatorOptions options_;
  RefusalMetrics& metrics_;
  Mutex mutex_;
  FileWatch watch_ ABSL_GUARDED_BY(mutex_);
  Tokens tokens_ ABSL_GUARDED_BY(mutex_);
};

// Empty when the header has none.
std::string TokenOf(absl::string_view authorization);

}  // namespace pilotlight::collector
