#include "collector/auth/roles.h"

#include "absl/strings/match.h"

namespace pilotlight::collector {
namespace {

struct Rule {
  absl::string_view prefix;
  std::optional<Role> role;
  bool is_of_all_tenants = false;
};

// The first that fits.
constexpr Rule kRules[] = {
    {"/-/healthy", std::nullopt},
    {"/-/ready", std::nullopt},
    {"/grpc.health.v1.Health/", std::nullopt},
    {"/pilotlight.v1.Ingest/", Role::kWrite},
    {"/push.v1.PusherService/", Role::kWrite},
    {"/opentelemetry.proto.collector.profiles.", Role::kWrite},
    {"/ingest", Role::kWrite},
    {"/v1", Role::kWrite},  // OTLP over HTTP, of all versions
    {"/pilotlight.v1.Query/", Role::kRead},
    {"/pilotlight.v1.Agents/List", Role::kRead},
    {"/querier.v1.QuerierService/", Role::kRead},
    {"/pilotlight.v1.Agents/", Role::kAdmin},
    {"/grpc.reflection.", Role::kRead},
    {"/metrics", Role::kRead, /*is_of_all_tenants=*/true},
    {"/-/", Role::kAdmin, /*is_of_all_tenants=*/true},
};

const Rule* FindRule(absl::string_view path) {
  for (const Rule& rule : kRules) {
    if (absl::StartsWith(path, rule.prefix)) return &rule;
  }
  return nullptr;
}

// "/package.Service/Method"
bool IsMethod(absl::string_view path) {
  const size_t slash = path.find('/', 1);
  return slash != absl::string_view::npos && absl::StrContains(path.substr(0, slash), '.');
}

}  // namespace

absl::string_view ToString(Role role) {
  switch (role) {
    case Role::kWrite:
      return "write";
    case Role::kRead:
      return "read";
    case Role::kAdmin:
      return "admin";
  }
  return "unknown";
}

std::optional<Role> ParseRole(absl::string_view text) {
  for (const Role role : {Role::kWrite, Role::kRead, Role::kAdmin}) {
    if (ToString(role) == text) return role;
  }
  return std::nullopt;
}

std::optional<Role> RequiredRole(absl::string_view path) {
  if (const Rule* const rule = FindRule(path)) return rule->role;
  // Methods that nobody thought of here. The rest are files, and questions.
  return IsMethod(path) ? Role::kAdmin : Role::kRead;
}

bool IsOfAllTenants(absl::string_view path) {
  const Rule* const rule = FindRule(path);
  return rule != nullptr ? rule->is_of_all_tenants : IsMethod(path);
}

bool Allows(Role has, Role needed) { return has == Role::kAdmin || has == needed; }

}  // namespace pilotlight::collector
