#include "collector/auth/token_file.h"

#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/tenant_name.h"
#include "base/yaml_fields.h"

namespace pilotlight::collector {
namespace {

class TokensReader : private YamlFields {
 public:
  using YamlFields::YamlFields;

  absl::StatusOr<std::vector<TokenEntry>> Read(const YAML::Node& root) const {
    std::vector<TokenEntry> entries;
    if (root.IsNull()) return entries;
    if (!root.IsSequence()) return Error(root, "the file", "must be a list of tokens");
    if (root.size() > kMaxTokens) {
      return Error(root, "the file",
                   absl::StrCat("there are ", root.size(), " tokens, the limit is ", kMaxTokens));
    }
    std::set<std::string> names;
    for (const YAML::Node& node : root) {
      ASSIGN_OR_RETURN(TokenEntry entry, ReadEntry(node));
      if (!names.insert(entry.name).second) {
        return Error(node, "name", absl::StrCat("there is another token \"", entry.name, "\""));
      }
      entries.push_back(std::move(entry));
    }
    return entries;
  }

 private:
  absl::StatusOr<TokenEntry> ReadEntry(const YAML::Node& node) const {
    RETURN_IF_ERROR(CheckFields(node, "a token", {"name", "role", "sha256", "tenant"}));
    TokenEntry entry;
    ASSIGN_OR_RETURN(entry.name, Text(node["name"], "name"));
    if (!IsTokenName(entry.name)) {
      return Error(node, "name", "a token needs one, of letters, digits and _ - . : /");
    }
    ASSIGN_OR_RETURN(const std::string role_text, Text(node["role"], "role"));
    const std::optional<Role> role = ParseRole(role_text);
    if (!role)
      return Error(node, "role", absl::StrCat("\"", role_text, "\" is none; there are write, read, admin"));
    entry.role = *role;
    if (node["tenant"]) {
      ASSIGN_OR_RETURN(entry.tenant, Text(node["tenant"], "tenant"));
      RETURN_IF_ERROR(Explained(node, "tenant", CheckTenantName(entry.tenant)));
    }
    ASSIGN_OR_RETURN(const std::string hex, Text(node["sha256"], "sha256"));
    const bool is_hash =
        hex.size() == size_t{2} * SHA256_DIGEST_LENGTH &&
        std::ranges::all_of(hex, [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
    // Not the value: it may be the token.
    if (!is_hash)
      return Error(node, "sha256", "must be 64 hexadecimal digits; pilotlight-collector token makes them");
    entry.sha256 = absl::HexStringToBytes(hex);
    return entry;
  }
};

}  // namespace

absl::StatusOr<std::vector<TokenEntry>> ParseTokens(const std::string& yaml, absl::string_view path) {
  return ReadYaml(yaml, path, [path](const YAML::Node& root) { return TokensReader(path).Read(root); });
}

std::string HashToken(absl::string_view token) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  ::SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string MakeToken() {
  std::string random(32, '\0');
  // Up to 256 bytes come whole once the kernel's pool is ready, and it waits for that (getrandom(2)).
  CHECK(::getrandom(random.data(), random.size(), 0) == static_cast<ssize_t>(random.size()));
  return absl::StrCat("plt_", absl::WebSafeBase64Escape(random));
}

std::string WriteEntry(const TokenEntry& entry) {
  return absl::StrCat("- name: \"", entry.name, "\"\n  role: ", ToString(entry.role),
                      entry.tenant.empty() ? "" : absl::StrCat("\n  tenant: \"", entry.tenant, "\""),
                      "\n  sha256: ", absl::BytesToHexString(entry.sha256), "\n");
}

bool IsTokenName(absl::string_view name) {
  constexpr size_t kMaxBytes = 128;
  return !name.empty() && name.size() <= kMaxBytes && std::ranges::all_of(name, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view("_-.:/").find(c) != absl::string_view::npos;
  });
}

}  // namespace pilotlight::collector
