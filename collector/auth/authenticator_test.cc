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
  const auto authenticator = Authenticator::Open({.token_file = path_}, metrics_);
  ASSERT_TRUE(authenticator.ok()) << authenticator.status();
  EXPECT_TRUE((*authenticator)->Admit("grpc", kRead, {.authorization = "Bearer r"}).ok());
  EXPECT_TRUE((*authenticator)->Admit("http", kRead, {.authorization = "bearer  r "}).ok());
  EXPECT_TRUE((*authenticator)
                  ->Admit("http", kRead, {.authorization = "Basic " + absl::Base64Escape("anyone:r")})
                  .ok());
}

TEST_F(AuthenticatorTest, RefusesAndCountsTheRest) {
  const auto authenticator = Authenticator::Open({.token_file = path_}, metrics_);
  ASSERT_TRUE(authenticator.ok()) << authenticator.status();
  EXPECT_TRUE(
      absl::IsUnauthenticated((*authenticator)->Admit("grpc", kRead, {.authorization = ""}).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(
      (*authenticator)->Admit("grpc", kRead, {.authorization = "Bearer s"}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(
      (*authenticator)->Admit("grpc", kWrite, {.authorization = "Bearer r"}).status()));
  EXPECT_TRUE((*authenticator)->Admit("http", "/-/healthy", {.authorization = ""}).ok());
  for (const char* reason : {"no_token", "unknown_token", "role"}) {
    EXPECT_THAT(Metrics(), HasSubstr("{protocol=\"grpc\",reason=\"" + std::string(reason) + "\"} 1"));
  }
}

TEST_F(AuthenticatorTest, ATokensTenantIsTheOnlyOne) {
  Write({{.name = "a", .role = Role::kAdmin, .tenant = "a", .sha256 = HashToken("r")}});
  for (const bool takes_header : {false, true}) {
    const auto authenticator =
        Authenticator::Open({.token_file = path_, .takes_tenant_header = takes_header}, metrics_);
    ASSERT_TRUE(authenticator.ok()) << authenticator.status();
    const auto admit = [&](const char* path, const std::string& tenant) {
      return (*authenticator)->Admit("grpc", path, {.authorization = "Bearer r", .tenant = tenant});
    };
    EXPECT_EQ(admit(kRead, "").value(), "a");
    EXPECT_EQ(admit(kRead, "a").value(), "a");
    EXPECT_TRUE(absl::IsPermissionDenied(admit(kRead, "b").status()));
    EXPECT_TRUE(absl::IsPermissionDenied(admit(kRead, "anonymous").status()));
    EXPECT_TRUE(absl::IsPermissionDenied(admit("/metrics", "").status()));
    EXPECT_TRUE(absl::IsPermissionDenied(admit("/-/snapshot", "a").status()));
  }
  EXPECT_THAT(Metrics(), HasSubstr("{protocol=\"grpc\",reason=\"tenant\"} 8"));
}

TEST_F(AuthenticatorTest, TheHeaderCountsWhereItIsTaken) {
  const auto ignoring = Authenticator::Open({.token_file = path_}, metrics_);
  EXPECT_EQ((*ignoring)->Admit("http", kRead, {"Bearer r", "b"}).value(), "anonymous");
  EXPECT_EQ((*ignoring)->Admit("http", kRead, {"Bearer r", "../b"}).value(), "anonymous");
  const auto taking = Authenticator::Open({.token_file = path_, .takes_tenant_header = true}, metrics_);
  EXPECT_EQ((*taking)->Admit("http", kRead, {"Bearer r", "b"}).value(), "b");
  EXPECT_EQ((*taking)->Admit("http", kRead, {"Bearer r", ""}).value(), "anonymous");
  EXPECT_TRUE(absl::IsInvalidArgument((*taking)->Admit("http", kRead, {"Bearer r", "../b"}).status()));
  EXPECT_TRUE(absl::IsUnauthenticated((*taking)->Admit("http", kRead, {"", "b"}).status()));
  EXPECT_THAT(Metrics(), HasSubstr("{protocol=\"http\",reason=\"tenant\"} 1"));
  const auto open = Authenticator::Open({.takes_tenant_header = true}, metrics_);
  EXPECT_EQ((*open)->Admit("http", kWrite, {"", "b"}).value(), "b");
}

TEST_F(AuthenticatorTest, ReadsTheFileAgain) {
  const auto authenticator = Authenticator::Open({.token_file = path_}, metrics_);
  ASSERT_TRUE(authenticator.ok()) << authenticator.status();
  Write({{.name = "agents", .role = Role::kWrite, .sha256 = HashToken("w")}});
  EXPECT_TRUE(absl::IsUnauthenticated(
      (*authenticator)->Admit("grpc", kRead, {.authorization = "Bearer r"}).status()));
  EXPECT_TRUE((*authenticator)->Admit("grpc", kWrite, {.authorization = "Bearer w"}).ok());
}

TEST_F(AuthenticatorTest, KeepsItsTokensWhenTheFileMakesNoSense) {
  const auto authenticator = Authenticator::Open({.token_file = path_}, metrics_);
  ASSERT_TRUE(authenticator.ok()) << authenticator.status();
  std::ofstream(path_) << "nonsense";
  EXPECT_TRUE((*authenticator)->Admit("grpc", kRead, {.authorization = "Bearer r"}).ok());
  EXPECT_TRUE(
      absl::IsUnauthenticated((*authenticator)->Admit("grpc", kRead, {.authorization = ""}).status()));
}

}  // namespace
}  // namespace pilotlight::collector
