#include "collector/auth/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"

namespace pilotlight::collector {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string ErrorOf(const std::string& yaml) {
  return std::string(ParseTokens(yaml, "tokens.yaml").status().message());
}

TEST(TokenFileTest, ReadsWhatItWrites) {
  const std::string yaml =
      WriteEntry({.name = "agents", .role = Role::kWrite, .tenant = "1", .sha256 = HashToken("a")}) +
      WriteEntry({.name = "2026", .role = Role::kAdmin, .sha256 = HashToken("b")});
  const auto tokens = ParseTokens(yaml, "tokens.yaml");
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  ASSERT_EQ(tokens->size(), 2);
  EXPECT_EQ(tokens->front().name, "agents");
  EXPECT_EQ(tokens->front().role, Role::kWrite);
  EXPECT_EQ(tokens->front().tenant, "1");
  EXPECT_EQ(tokens->front().sha256, HashToken("a"));
  EXPECT_EQ(tokens->back().role, Role::kAdmin);
  EXPECT_EQ(tokens->back().tenant, "");
}

TEST(TokenFileTest, HashesAsSha256sumDoes) {
  EXPECT_EQ(absl::BytesToHexString(HashToken("test")),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
}

TEST(TokenFileTest, MakesOtherTokensEachTime) {
  const std::string token = MakeToken();
  EXPECT_EQ(token.size(), 47);
  EXPECT_NE(token, MakeToken());
}

TEST(TokenFileTest, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf("tokens: []"), HasSubstr("tokens.yaml:1: the file: must be a list"));
  EXPECT_THAT(ErrorOf("- {name: a, role: write, token: x}"), HasSubstr("token: there is no such field"));
  EXPECT_THAT(ErrorOf("- {name: a, role: root}"),
              HasSubstr("\"root\" is none; there are write, read, admin"));
  EXPECT_THAT(ErrorOf("- {name: a, role: read, tenant: ../b}"), HasSubstr("\"../b\" is no name of a tenant"));
  EXPECT_THAT(ErrorOf("- {name: a, role: read, tenant: ''}"), HasSubstr("is no name of a tenant"));
  const std::string hash(64, '0');
  EXPECT_THAT(ErrorOf("- {name: a, role: read, sha256: '" + hash + "'}\n- {name: a, role: read, sha256: '" +
                      hash + "'}"),
              HasSubstr("tokens.yaml:2: name: there is another token \"a\""));
}

TEST(TokenFileTest, NeverRepeatsWhatMayBeAToken) {
  EXPECT_THAT(ErrorOf("- {name: a, role: read, sha256: plt_secret}"),
              HasSubstr("must be 64 hexadecimal digits"));
  EXPECT_THAT(ErrorOf("- {name: a, role: read, sha256: plt_secret}"), Not(HasSubstr("plt_secret")));
}

}  // namespace
}  // namespace pilotlight::collector
