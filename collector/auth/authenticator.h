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

// Thread-safe. The file is read again by who asks first after it has changed; one that makes no sense changes
// nothing but the log.
class Authenticator {
 public:
  // The metrics must outlive it.
  static absl::StatusOr<std::unique_ptr<Authenticator>> Open(const std::string& token_file,
                                                             RefusalMetrics& metrics);

  // `path` is one of HTTP or a method of gRPC, `authorization` the value of that header: "Bearer TOKEN", or
  // Basic with the token as the password, which browsers ask for. Unauthenticated without a token that is
  // known, PermissionDenied when it is not for this; both are counted.
  absl::Status Admit(absl::string_view protocol, absl::string_view path, absl::string_view authorization);

 private:
  using Tokens = std::shared_ptr<const std::vector<TokenEntry>>;

  Authenticator(const std::string& token_file, RefusalMetrics& metrics);
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Tokens Current();

  const std::string token_file_;
  RefusalMetrics& metrics_;
  Mutex mutex_;
  FileWatch watch_ ABSL_GUARDED_BY(mutex_);
  Tokens tokens_ ABSL_GUARDED_BY(mutex_);
};

// Empty when the header has none.
std::string TokenOf(absl::string_view authorization);

}  // namespace pilotlight::collector
