#include "base/web_config.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/yaml_fields.h"

namespace pilotlight {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;
constexpr size_t kMostKnown = 100;

// $2y$10$ and 53 characters, as htpasswd -B makes them.
bool IsBcrypt(absl::string_view hash) {
  constexpr size_t kBytes = 60;
  return hash.size() == kBytes && hash[0] == '$' && hash[1] == '2' &&
         absl::StrContains("aby", hash.substr(2, 1)) && hash[3] == '$' &&
         absl::ascii_isdigit(static_cast<unsigned char>(hash[4])) &&
         absl::ascii_isdigit(static_cast<unsigned char>(hash[5])) && hash[6] == '$';
}

bool IsPasswordOf(const std::string& password, const std::string& hash) {
  const auto buffer = std::make_unique<crypt_data>();  // 32 kB
  const char* const made = ::crypt_r(password.c_str(), hash.c_str(), buffer.get());
  return made != nullptr && std::string_view(made).size() == hash.size() &&
         CRYPTO_memcmp(made, hash.data(), hash.size()) == 0;
}

std::string Digest(absl::string_view text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// What the format has, and what of it is served here.
struct Choice {
  absl::string_view name;
  int value;
};
constexpr Choice kVersions[] = {{"TLS12", TLS1_2_VERSION}, {"TLS13", TLS1_3_VERSION}};
constexpr Choice kClientAuth[] = {
    {"", static_cast<int>(ClientCertificates::kNotAsked)},
    {"NoClientCert", static_cast<int>(ClientCertificates::kNotAsked)},
    {"VerifyClientCertIfGiven", static_cast<int>(ClientCertificates::kVerifiedIfGiven)},
    {"RequireAndVerifyClientCert", static_cast<int>(ClientCertificates::kRequired)}};

class WebConfigReader : private YamlFields {
 public:
  explicit WebConfigReader(const std::string& path) : YamlFields(path), path_(path) {}

  absl::StatusOr<WebConfig> Read(const YAML::Node& root) const {
    WebConfig config;
    if (root.IsNull()) return config;
    RETURN_IF_ERROR(
        CheckFields(root, "the file", {"tls_server_config", "http_server_config", "basic_auth_users"}));
    if (const YAML::Node tls = root["tls_server_config"]; IsThere(tls)) {
      ASSIGN_OR_RETURN(config.tls, ReadTls(tls));
    }
    if (const YAML::Node http = root["http_server_config"]; IsThere(http)) {
      ASSIGN_OR_RETURN(config.headers, ReadHttp(http));
    }
    if (const YAML::Node users = root["basic_auth_users"]; IsThere(users)) {
      ASSIGN_OR_RETURN(config.users, ReadUsers(users));
    }
    return config;
  }

 private:
  static bool IsThere(const YAML::Node& node) { return node.IsDefined() && !node.IsNull(); }

  absl::StatusOr<TlsServerConfig> ReadTls(const YAML::Node& node) const {
    RETURN_IF_ERROR(CheckFields(
        node, "tls_server_config",
        {"cert_file", "key_file", "client_ca_file", "client_auth_type", "min_version", "max_version"}));
    TlsServerConfig tls{.files = {}, .min_version = TLS1_2_VERSION, .max_version = TLS1_3_VERSION};
    ASSIGN_OR_RETURN(tls.files.cert_file, Path(node, "cert_file"));
    ASSIGN_OR_RETURN(tls.files.key_file, Path(node, "key_file"));
    if (tls.files.cert_file.empty()) return Error(node, "cert_file", "is missing");
    if (tls.files.key_file.empty()) return Error(node, "key_file", "is missing");
    ASSIGN_OR_RETURN(tls.files.ca_file, Path(node, "client_ca_file"));
    ASSIGN_OR_RETURN(const int client_auth, OneOf(node, "client_auth_type", kClientAuth,
                                                  static_cast<int>(ClientCertificates::kNotAsked)));
    tls.client_certificates = static_cast<ClientCertificates>(client_auth);
    const bool asks = tls.client_certificates != ClientCertificates::kNotAsked;
    if (asks && tls.files.ca_file.empty()) {
      return Error(node["client_auth_type"], "client_auth_type", "needs client_ca_file");
    }
    if (!asks && !tls.files.ca_file.empty()) {
      return Error(node["client_ca_file"], "client_ca_file",
                   "nothing is checked against it without client_auth_type: RequireAndVerifyClientCert");
    }
    ASSIGN_OR_RETURN(tls.min_version, OneOf(node, "min_version", kVersions, TLS1_2_VERSION));
    ASSIGN_OR_RETURN(tls.max_version, OneOf(node, "max_version", kVersions, TLS1_3_VERSION));
    if (tls.max_version < tls.min_version) return Error(node, "max_version", "is below min_version");
    return tls;
  }

  absl::StatusOr<std::string> Path(const YAML::Node& node, const std::string& field) const {
    ASSIGN_OR_RETURN(const std::string path, Text(node[field], field));
    if (path.empty() || path.front() == '/') return path;
    const size_t slash = path_.rfind('/');
    return slash == std::string::npos ? path : absl::StrCat(path_.substr(0, slash + 1), path);
  }

  template <size_t kCount>
  absl::StatusOr<int> OneOf(const YAML::Node& node, const std::string& field, const Choice (&choices)[kCount],
                            int otherwise) const {
    if (!IsThere(node[field])) return otherwise;
    ASSIGN_OR_RETURN(const std::string text, Text(node[field], field));
    std::string names;
    for (const Choice& choice : choices) {
      if (choice.name == text) return choice.value;
      if (!choice.name.empty()) absl::StrAppend(&names, names.empty() ? "" : ", ", choice.name);
    }
    return Error(node[field], field, absl::StrCat("\"", text, "\" is not served; there are ", names));
  }

  absl::StatusOr<std::map<std::string, std::string>> ReadHttp(const YAML::Node& node) const {
    RETURN_IF_ERROR(CheckFields(node, "http_server_config", {"http2", "headers"}));
    // HTTP/1.1 is spoken in any case.
    ASSIGN_OR_RETURN(const std::string http2, Text(node["http2"], "http2"));
    if (!http2.empty() && http2 != "true" && http2 != "false") {
      return Error(node["http2"], "http2", "must be true or false");
    }
    std::map<std::string, std::string> headers;
    const YAML::Node map = node["headers"];
    if (!IsThere(map)) return headers;
    RETURN_IF_ERROR(CheckFields(map, "headers",
                                {"Content-Security-Policy", "Strict-Transport-Security",
                                 "X-Content-Type-Options", "X-Frame-Options", "X-XSS-Protection"}));
    for (const auto& entry : map) {
      const std::string name = entry.first.Scalar();
      ASSIGN_OR_RETURN(const std::string value, Text(entry.second, name));
      if (!std::ranges::all_of(value, absl::ascii_isprint)) {
        return Error(entry.second, name, "must be one line of ASCII");
      }
      if (name == "X-Frame-Options" && value != "" && value != "deny" && value != "sameorigin") {
        return Error(entry.second, name, "must be deny or sameorigin");
      }
      if (name == "X-Content-Type-Options" && value != "" && value != "nosniff") {
        return Error(entry.second, name, "must be nosniff");
      }
      if (!value.empty()) headers[name] = value;
    }
    return headers;
  }

  absl::StatusOr<std::map<std::string, std::string>> ReadUsers(const YAML::Node& node) const {
    if (!node.IsMap())
      return Error(node, "basic_auth_users", "must have hashes of passwords by names of users");
    std::map<std::string, std::string> users;
    for (const auto& entry : node) {
      const std::string& name = entry.first.Scalar();
      ASSIGN_OR_RETURN(const std::string hash, Text(entry.second, name));
      // The header could not tell such a name's end.
      if (absl::StrContains(name, ':')) return Error(entry.first, name, "a user's name has no colon");
      // Not the value: it may be a password.
      if (!IsBcrypt(hash))
        return Error(entry.second, name, "is not a hash by bcrypt; htpasswd -nBC 10 makes one");
      if (!users.emplace(name, hash).second) return Error(entry.first, name, "is there twice");
    }
    return users;
  }

  const std::string& path_;
};

}  // namespace

absl::StatusOr<WebConfig> WebConfig::Parse(const std::string& yaml, const std::string& path) {
  return ReadYaml(yaml, path, [&path](const YAML::Node& root) { return WebConfigReader(path).Read(root); });
}

absl::StatusOr<std::unique_ptr<WebConfigFile>> WebConfigFile::Open(const std::string& path,
                                                                   bool allows_users) {
  std::unique_ptr<WebConfigFile> file(new WebConfigFile(path, allows_users));
  const MutexLock lock(file->mutex_);
  file->watch_ = FileWatch({path});
  RETURN_IF_ERROR(file->Read());
  file->has_tls_ = file->state_->ssl != nullptr;
  return file;
}

absl::Status WebConfigFile::Read() {
  ASSIGN_OR_RETURN(const std::string yaml, ReadFile(path_, kMaxFileBytes));
  State state;
  ASSIGN_OR_RETURN(state.config, WebConfig::Parse(yaml, path_));
  if (!allows_users_ && !state.config.users.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_,
                     ": basic_auth_users cannot be had beside tokens, as both come in the header "
                     "Authorization; Basic authentication takes a token as its password"));
  }
  if (state_ != nullptr && state.config.tls.has_value() != has_tls_) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": TLS is switched on and off by a restart only"));
  }
  tls_watch_ =
      FileWatch(state.config.tls.has_value() ? state.config.tls->files.paths() : std::vector<std::string>());
  if (state.config.tls.has_value()) {
    ASSIGN_OR_RETURN(state.ssl, MakeServerContext(*state.config.tls));
  }
  state_ = std::make_shared<const State>(std::move(state));
  known_.clear();
  return absl::OkStatus();
}

std::shared_ptr<const WebConfigFile::State> WebConfigFile::Current() {
  const MutexLock lock(mutex_);
  const bool changed = watch_.Changed();
  if (tls_watch_.Changed() || changed) {
    if (const absl::Status status = Read(); status.ok()) {
      spdlog::info("{} was read again, with its certificates", path_);
    } else {
      spdlog::error("HTTP goes on with the certificates and users from before: {}",
                    std::string(status.message()));
    }
  }
  return state_;
}

void WebConfigFile::ServeTls(SSL_CTX& context, std::function<void()> on_refused) {
  on_refused_ = std::move(on_refused);
  ForbidResumption(context);
  SSL_CTX_set_client_hello_cb(&context, OnClientHello, this);
}

int WebConfigFile::OnClientHello(SSL* connection, int* /*alert*/, void* self) {
  const std::shared_ptr<const State> state = static_cast<WebConfigFile*>(self)->Current();
  SSL_CTX* const context = state->ssl.get();
  SSL_set_SSL_CTX(connection, context);
  // What the other context does not bring along.
  SSL_set_verify(connection, SSL_CTX_get_verify_mode(context), nullptr);
  SSL_set_min_proto_version(connection, state->config.tls->min_version);
  SSL_set_max_proto_version(connection, state->config.tls->max_version);
  SSL_set_app_data(connection, self);
  SSL_set_info_callback(connection, OnEvent);
  return SSL_CLIENT_HELLO_SUCCESS;
}

void WebConfigFile::OnEvent(const SSL* connection, int where, int value) {
  const bool is_fatal_alert = (where & SSL_CB_ALERT) != 0 && value >> 8 == SSL3_AL_FATAL;
  if (is_fatal_alert) static_cast<WebConfigFile*>(SSL_get_app_data(connection))->on_refused_();
}

bool WebConfigFile::IsKnown(const std::string& digest) {
  const MutexLock lock(mutex_);
  return known_.contains(digest);
}

bool WebConfigFile::Admits(absl::string_view authorization) {
  const std::shared_ptr<const State> state = Current();
  const std::map<std::string, std::string>& users = state->config.users;
  if (users.empty()) return true;
  const std::optional<BasicCredentials> credentials = ParseBasic(authorization);
  if (!credentials) return false;
  const std::string digest = Digest(authorization);
  if (IsKnown(digest)) return true;

  const auto user = users.find(credentials->user);
  // Of a password that nobody has: a wrong name takes as long as a wrong password.
  constexpr const char* kNobody = "$2y$10$abcdefghijklmnopqrstuuAqD0MEbgZEQrtsuzGGGnXs3xnVFEvT2";
  bool right = false;
  {
    const MutexLock lock(bcrypt_mutex_);
    right = IsPasswordOf(credentials->password, user == users.end() ? kNobody : user->second);
  }
  if (!right || user == users.end()) return false;
  const MutexLock lock(mutex_);
  if (state_ != state) return true;
  if (known_.size() >= kMostKnown) known_.clear();
  known_.insert(digest);
  return true;
}

std::optional<BasicCredentials> ParseBasic(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "basic ";
  std::string decoded;
  if (!absl::StartsWithIgnoreCase(authorization, kScheme) ||
      !absl::Base64Unescape(absl::StripAsciiWhitespace(authorization.substr(kScheme.size())), &decoded)) {
    return std::nullopt;
  }
  const size_t colon = decoded.find(':');
  if (colon == std::string::npos || absl::StrContains(decoded, '\0')) return std::nullopt;
  return BasicCredentials{.user = decoded.substr(0, colon), .password = decoded.substr(colon + 1)};
}

}  // namespace pilotlight
