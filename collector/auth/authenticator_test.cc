#include "collector/auth/authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "base/file.h"

namespace pilotlight::collector {
namespace {

using testing::HasSubstr;

constexpr const char* kRead = "/pilotlight.v1.Query/Top";
constexpr const char* kWrite = "/pilotlight.v1.Ingest/Stream";

class AuthenticatorTest : public testing::Test {
 protected:
  AuthenticatorTest() { Write({{.name = "reader", .role = Role::kRead, .sha256 = HashToken("r")}}); }

  void Write(const std::vector<TokenEntry>& entries) const {
    std::ofstream file(path_);
    for (const TokenEntry& entry : entries) file << WriteEntry(entry);
  }
  std::string Metrics() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/tokens.yaml";
  prometheus::Registry registry_;
  RefusalMetrics metrics_{registry_};
};

TEST_F(AuthenticatorTest, LetsATokenInToWhatItsRoleAllows) {
  const auto authenticator = Authenticator::Open(path_, metrics_);
  ASSERT_TRUE(authenticator.ok()) << authenticator.status();
  EXPECT_TRUE((*authenticator)->Admit("grpc", kRead, "Bearer r").ok());
  EXPECT_TRUE((*authenticator)->Admit("http", kRead, "bearer  r ").ok());
  EXPECT_TRUE((*authenticator)->Admit("http", kRead, "Basic " + absl::Base64Escape("anyone:r")).ok());
}

TEST_F(AuthenticatorTest, RefusesAndCountsTheRest) {
  const auto authenticator = Authenticator::Open(path_, metrics_);
  ASSERT_TRUE(authenticator.ok()) << authenticator.status();
  EXPECT_TRUE(absl::IsUnauthenticated((*authenticator)->Admit("grpc", kRead, "")));
  EXPECT_TRUE(absl::IsUnauthenticated((*authenticator)->Admit("grpc", kRead, "Bearer s")));
  EXPECT_TRUE(absl::IsPermissionDenied((*authenticator)->Admit("grpc", kWrite, "Bearer r")));
  EXPECT_TRUE((*authenticator)->Admit("http", "/-/healthy", "").ok());
  for (const char* reason : {"no_token", "unknown_token", "role"}) {
    EXPECT_THAT(Metrics(), HasSubstr("{protocol=\"grpc\",reason=\"" + std::string(reason) + "\"} 1"));
  }
}

TEST_F(AuthenticatorTest, ReadsTheFileAgain) {
  const auto authenticator = Authenticator::Open(path_, metrics_);
  ASSERT_TRUE(authenticator.ok()) << authenticator.status();
  Write({{.name = "agents", .role = Role::kWrite, .sha256 = HashToken("w")}});
  EXPECT_TRUE(absl::IsUnauthenticated((*authenticator)->Admit("grpc", kRead, "Bearer r")));
  EXPECT_TRUE((*authenticator)->Admit("grpc", kWrite, "Bearer w").ok());
}

TEST_F(AuthenticatorTest, KeepsItsTokensWhenTheFileMakesNoSense) {
  const auto authenticator = Authenticator::Open(path_, metrics_);
  ASSERT_TRUE(authenticator.ok()) << authenticator.status();
  std::ofstream(path_) << "nonsense";
  EXPECT_TRUE((*authenticator)->Admit("grpc", kRead, "Bearer r").ok());
  EXPECT_TRUE(absl::IsUnauthenticated((*authenticator)->Admit("grpc", kRead, "")));
}

}  // namespace
}  // namespace pilotlight::collector
