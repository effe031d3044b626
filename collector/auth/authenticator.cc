#include "collector/auth/authenticator.h"

#include <openssl/crypto.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/tenant_name.h"
#include "base/web_config.h"

namespace pilotlight::collector {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;
constexpr size_t kMaxAuthorizationBytes = 1024;

// Looks at all of them, whichever it is.
const TokenEntry* Find(const std::vector<TokenEntry>& tokens, const std::string& sha256) {
  const TokenEntry* found = nullptr;
  for (const TokenEntry& entry : tokens) {
    if (CRYPTO_memcmp(entry.sha256.data(), sha256.data(), sha256.size()) == 0) found = &entry;
  }
  return found;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Authenticator>> Authenticator::Open(const AuthenticatorOptions& options,
                                                                   RefusalMetrics& metrics) {
  std::unique_ptr<Authenticator> authenticator(new Authenticator(options, metrics));
  if (options.token_file.empty()) return authenticator;
  const MutexLock lock(authenticator->mutex_);
  RETURN_IF_ERROR(authenticator->Read());
  return authenticator;
}

Authenticator::Authenticator(const AuthenticatorOptions& options, RefusalMetrics& metrics)
    : options_(options), metrics_(metrics), watch_({options.token_file}) {
  for (const absl::string_view protocol : {"grpc", "http"}) {
    for (const absl::string_view reason : {"no_token", "unknown_token", "role", "tenant"})
      metrics.Refused(protocol, reason, 0);
  }
}

absl::Status Authenticator::Read() {
  ASSIGN_OR_RETURN(const std::string yaml, ReadFile(options_.token_file, kMaxFileBytes));
  ASSIGN_OR_RETURN(std::vector<TokenEntry> tokens, ParseTokens(yaml, options_.token_file));
  tokens_ = std::make_shared<const std::vector<TokenEntry>>(std::move(tokens));
  return absl::OkStatus();
}

Authenticator::Tokens Authenticator::Current() {
  const MutexLock lock(mutex_);
  if (watch_.Changed()) {
    if (const absl::Status status = Read(); status.ok()) {
      spdlog::info("{} was read again: {} tokens", options_.token_file, tokens_->size());
    } else {
      spdlog::error("the tokens stay as they were: {}", std::string(status.message()));
    }
  }
  return tokens_;
}

absl::StatusOr<std::string> Authenticator::Admit(absl::string_view protocol, absl::string_view path,
                                                 const CallHeaders& headers) {
  const std::optional<Role> needed = RequiredRole(path);
  if (!needed) return std::string(kAnonymousTenant);
  std::string tenant;
  if (!options_.token_file.empty()) {
    ASSIGN_OR_RETURN(tenant, AdmitToken(protocol, path, *needed, headers.authorization));
  }
  if (!tenant.empty()) {
    if (headers.tenant.empty() || headers.tenant == tenant) return tenant;
    metrics_.Refused(protocol, "tenant");
    return absl::PermissionDeniedError(
        absl::StrCat("the token is of the tenant \"", tenant, "\", and X-Scope-OrgID names another one"));
  }
  if (!options_.takes_tenant_header || headers.tenant.empty()) return std::string(kAnonymousTenant);
  if (absl::Status status = CheckTenantName(headers.tenant); !status.ok()) {
    metrics_.Refused(protocol, "tenant");
    return absl::InvalidArgumentError(absl::StrCat("X-Scope-OrgID: ", status.message()));
  }
  return headers.tenant;
}

absl::StatusOr<std::string> Authenticator::AdmitToken(absl::string_view protocol, absl::string_view path,
                                                      Role needed, const std::string& authorization) {
  const Tokens tokens = Current();
  const std::string token = TokenOf(authorization);
  if (token.empty()) {
    metrics_.Refused(protocol, "no_token");
    return absl::UnauthenticatedError(absl::StrCat("this needs a token with the role ", ToString(needed),
                                                   ", as \"Authorization: Bearer TOKEN\""));
  }
  const TokenEntry* const entry = Find(*tokens, HashToken(token));
  if (entry == nullptr) {
    metrics_.Refused(protocol, "unknown_token");
    return absl::UnauthenticatedError("the token is not known here");
  }
  if (!Allows(entry->role, needed)) {
    metrics_.Refused(protocol, "role");
    return absl::PermissionDeniedError(absl::StrCat("this needs a token with the role ", ToString(needed),
                                                    "; \"", entry->name, "\" has ", ToString(entry->role)));
  }
  if (!entry->tenant.empty() && IsOfAllTenants(path)) {
    metrics_.Refused(protocol, "tenant");
    return absl::PermissionDeniedError(absl::StrCat("this is of all tenants, and \"", entry->name,
                                                    "\" is of \"", entry->tenant, "\" alone"));
  }
  return entry->tenant;
}

std::string TokenOf(absl::string_view authorization) {
  if (authorization.size() > kMaxAuthorizationBytes) return "";
  constexpr absl::string_view kBearer = "bearer ";
  if (absl::StartsWithIgnoreCase(authorization, kBearer)) {
    return std::string(absl::StripAsciiWhitespace(authorization.substr(kBearer.size())));
  }
  std::optional<BasicCredentials> basic = ParseBasic(authorization);
  return basic ? std::move(basic->password) : "";
}

}  // namespace pilotlight::collector
