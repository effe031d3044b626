#include "base/web_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// "secret".
constexpr const char* kHash = "$2y$04$.Xsqo8wAYGd5SVyFmtzqOOxTaV5nFHaErqFIxg4szRjI4uI/Jiz1S";

absl::StatusOr<WebConfig> Parse(const std::string& yaml) { return WebConfig::Parse(yaml, "/etc/web.yaml"); }

std::string ErrorOf(const std::string& yaml) { return std::string(Parse(yaml).status().message()); }

std::string Basic(const std::string& user, const std::string& password) {
  return "Basic " + absl::Base64Escape(absl::StrCat(user, ":", password));
}

TEST(WebConfigTest, ReadsAllOfTheFormatThatIsServed) {
  const auto config = Parse(absl::StrCat(R"(
tls_server_config:
  cert_file: server.crt
  key_file: /keys/server.key
  client_ca_file: ca.crt
  client_auth_type: RequireAndVerifyClientCert
  min_version: TLS13
  max_version: TLS13
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
basic_auth_users:
  ada: )",
                                         kHash));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->tls->files.cert_file, "/etc/server.crt");
  EXPECT_EQ(config->tls->files.key_file, "/keys/server.key");
  EXPECT_EQ(config->tls->files.ca_file, "/etc/ca.crt");
  EXPECT_EQ(config->tls->client_certificates, ClientCertificates::kRequired);
  EXPECT_EQ(config->tls->min_version, TLS1_3_VERSION);
  EXPECT_THAT(config->headers, ElementsAre(Pair("X-Frame-Options", "deny")));
  EXPECT_THAT(config->users, ElementsAre(Pair("ada", kHash)));
}

TEST(WebConfigTest, TakesAnEmptyFileForNothing) {
  const auto config = Parse("");
  ASSERT_TRUE(config.ok());
  EXPECT_FALSE(config->tls.has_value());
}

TEST(WebConfigTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(ErrorOf("tls_config: {}"), HasSubstr("/etc/web.yaml:1: tls_config: there is no such field"));
  EXPECT_THAT(ErrorOf("tls_server_config:\n  cipher_suites: [X]"),
              HasSubstr("/etc/web.yaml:2: cipher_suites: there is no such field"));
  EXPECT_THAT(ErrorOf("http_server_config: {headers: {X-Other: a}}"),
              HasSubstr("X-Other: there is no such field"));
}

TEST(WebConfigTest, RefusesVersionsThatAreBroken) {
  EXPECT_THAT(ErrorOf("tls_server_config: {cert_file: a, key_file: b, min_version: TLS11}"),
              HasSubstr("\"TLS11\" is not served; there are TLS12, TLS13"));
}

TEST(WebConfigTest, RefusesClientCertificatesThatProveNothing) {
  EXPECT_THAT(
      ErrorOf("tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert}"),
      HasSubstr("client_auth_type: \"RequireAnyClientCert\" is not served"));
  EXPECT_THAT(
      ErrorOf("tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}"),
      HasSubstr("needs client_ca_file"));
  EXPECT_THAT(ErrorOf("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}"),
              HasSubstr("nothing is checked against it"));
}

TEST(WebConfigTest, NeverRepeatsWhatMayBeAPassword) {
  EXPECT_THAT(ErrorOf("basic_auth_users: {ada: hunter2}"), HasSubstr("ada: is not a hash by bcrypt"));
  EXPECT_THAT(ErrorOf("basic_auth_users: {ada: hunter2}"), testing::Not(HasSubstr("hunter2")));
}

TEST(ParseBasicTest, ReadsNameAndPassword) {
  const auto credentials = ParseBasic(Basic("ada", "a:b"));
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->user, "ada");
  EXPECT_EQ(credentials->password, "a:b");
}

TEST(ParseBasicTest, TakesNothingElse) {
  for (const char* text :
       {"", "Basic", "Basic ", "Basic !!", "Bearer YTpi", "Basic YWI=", "Basic YToAYg=="}) {
    EXPECT_FALSE(ParseBasic(text)) << text;
  }
}

class WebConfigFileTest : public testing::Test {
 protected:
  void Write(const std::string& yaml) const { std::ofstream(path_) << yaml; }
  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/web.yaml";
};

TEST_F(WebConfigFileTest, AdmitsUsersByTheirPassword) {
  Write(absl::StrCat("basic_auth_users: {ada: ", kHash, "}"));
  const auto file = WebConfigFile::Open(path_, /*allows_users=*/true);
  ASSERT_TRUE(file.ok()) << file.status();
  for (int i = 0; i < 2; ++i) {  // by bcrypt, then from memory
    EXPECT_TRUE((*file)->Admits(Basic("ada", "secret")));
    EXPECT_FALSE((*file)->Admits(Basic("ada", "Secret")));
    EXPECT_FALSE((*file)->Admits(Basic("eve", "secret")));
    EXPECT_FALSE((*file)->Admits(""));
  }
}

TEST_F(WebConfigFileTest, ForgetsUsersThatAreTakenAway) {
  Write(absl::StrCat("basic_auth_users: {ada: ", kHash, "}"));
  const auto file = WebConfigFile::Open(path_, /*allows_users=*/true);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Admits(Basic("ada", "secret")));
  Write(absl::StrCat("basic_auth_users: {grace: ", kHash, "}"));
  EXPECT_FALSE((*file)->Admits(Basic("ada", "secret")));
  EXPECT_TRUE((*file)->Admits(Basic("grace", "secret")));
}

TEST_F(WebConfigFileTest, KeepsTheUsersWhenTheFileMakesNoSense) {
  Write(absl::StrCat("basic_auth_users: {ada: ", kHash, "}"));
  const auto file = WebConfigFile::Open(path_, /*allows_users=*/true);
  ASSERT_TRUE(file.ok()) << file.status();
  Write("basic_auth_user: {}");
  EXPECT_TRUE((*file)->Admits(Basic("ada", "secret")));
  EXPECT_FALSE((*file)->Admits(""));
}

TEST_F(WebConfigFileTest, RefusesUsersWhereTokensAreAskedFor) {
  Write(absl::StrCat("basic_auth_users: {ada: ", kHash, "}"));
  const auto file = WebConfigFile::Open(path_, /*allows_users=*/false);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("cannot be had beside tokens"));
}

}  // namespace
}  // namespace pilotlight
