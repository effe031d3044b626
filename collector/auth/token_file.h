// The file of --auth.token-file: a list in YAML of whom the collector lets in, without their tokens.
//
//   - name: agents
//     role: write
//     tenant: shop
//     sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collector/auth/roles.h"

namespace pilotlight::collector {

struct TokenEntry {
  std::string name;  // for people
  Role role = Role::kRead;
  std::string tenant;  // whose it is; empty: whose the caller says, where that is allowed
  std::string sha256;  // 32 bytes
};

inline constexpr size_t kMaxTokens = 1000;  // each is compared with

// InvalidArgument says "file:line: field: what is wrong"; `path` is for that.
absl::StatusOr<std::vector<TokenEntry>> ParseTokens(const std::string& yaml, absl::string_view path);

// 32 bytes. No salt and no slow hash: a token is 256 random bits, which nobody guesses.
std::string HashToken(absl::string_view token);
// A new one: "plt_" and 43 letters, digits, - and _.
std::string MakeToken();
// The entry as it stands in the file.
std::string WriteEntry(const TokenEntry& entry);
bool IsTokenName(absl::string_view name);

}  // namespace pilotlight::collector
