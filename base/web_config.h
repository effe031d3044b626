// The web configuration file of the Prometheus projects (exporter-toolkit, docs/web-configuration.md), for a
// program's HTTP port.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file_watch.h"
#include "base/mutex.h"
#include "base/tls.h"

namespace pilotlight {

struct WebConfig {
  std::optional<TlsServerConfig> tls;
  std::map<std::string, std::string> users;    // hashes of passwords by bcrypt, by name
  std::map<std::string, std::string> headers;  // of each answer

  // InvalidArgument says "file:line: field: what is wrong". Paths are relative to the file at `path`.
  static absl::StatusOr<WebConfig> Parse(const std::string& yaml, const std::string& path);
};

// The file as it is now: read again, with the files it names, by who asks first after they have changed. When
// they make no sense, what was there stays, and the log says why. Thread-safe.
class WebConfigFile {
 public:
  // `allows_users`: else the file must have no basic_auth_users.
  static absl::StatusOr<std::unique_ptr<WebConfigFile>> Open(const std::string& path, bool allows_users);

  struct State {
    WebConfig config;
    SslContext ssl;  // null without TLS
  };
  std::shared_ptr<const State> Current();
  // It never changes between with and without.
  bool has_tls() const { return has_tls_; }
  // Lets each handshake with this context, which is otherwise empty, take what the files say then.
  // `on_refused` is called, in any thread, when either side ends one by an alert. Must outlive the context.
  // REQUIRES: once.
  void ServeTls(SSL_CTX& context, std::function<void()> on_refused);
  // Whether `authorization`, a header's value, has the name and password of one of the users, or there are
  // none.
  bool Admits(absl::string_view authorization);

 private:
  WebConfigFile(const std::string& path, bool allows_users) : path_(path), allows_users_(allows_users) {}
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsKnown(const std::string& digest);
  static int OnClientHello(SSL* connection, int* alert, void* self);
  static void OnEvent(const SSL* connection, int where, int value);

  const std::string path_;
  const bool allows_users_;
  bool has_tls_ = false;
  std::function<void()> on_refused_;
  Mutex mutex_;
  FileWatch watch_ ABSL_GUARDED_BY(mutex_);      // of the file
  FileWatch tls_watch_ ABSL_GUARDED_BY(mutex_);  // of those that it names
  std::shared_ptr<const State> state_ ABSL_GUARDED_BY(mutex_);
  // SHA-256 of the headers that were right since the file was read, as bcrypt takes some 50 ms.
  std::set<std::string> known_ ABSL_GUARDED_BY(mutex_);
  // One guess at a time: who guesses costs no more than one CPU.
  Mutex bcrypt_mutex_;
};

struct BasicCredentials {
  std::string user;
  std::string password;
};
// Of "Basic dXNlcjpwYXNzd29yZA=="; nothing when it is something else.
std::optional<BasicCredentials> ParseBasic(absl::string_view authorization);

}  // namespace pilotlight
