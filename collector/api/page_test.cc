#include "collector/api/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include "base/gzip.h"

namespace pilotlight::collector {
namespace {

using testing::HasSubstr;
using testing::Not;

class PageTest : public testing::Test {
 protected:
  PageTest() : server_({.listen_address = "127.0.0.1:0"}) {
    AddPage(files_, server_);
    if (const absl::Status status = server_.Start(); !status.ok()) ADD_FAILURE() << status;
  }

  httplib::Result Get(const httplib::Headers& headers) {
    httplib::Client client("127.0.0.1", server_.port());
    client.set_decompress(false);
    return client.Get("/", headers);
  }

  const std::string gzip_ = Gzip("<!DOCTYPE html>");
  const PageFile files_[1] = {{"/", "text/html; charset=utf-8", "\"abc\"", gzip_}};
  HttpServer server_;
};

TEST_F(PageTest, IsSentAsItWasCompressed) {
  const auto answer = Get({{"Accept-Encoding", "gzip, br"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, gzip_);
  EXPECT_EQ(answer->get_header_value("Content-Encoding"), "gzip");
  EXPECT_EQ(answer->get_header_value("Content-Type"), "text/html; charset=utf-8");
}

TEST_F(PageTest, IsReadableForThoseWhoTakeNoGzip) {
  const auto answer = Get({{"Accept-Encoding", "identity"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "<!DOCTYPE html>");
  EXPECT_FALSE(answer->has_header("Content-Encoding"));
}

TEST_F(PageTest, IsNotSentAgainToThoseWhoHaveIt) {
  const auto same = Get({{"If-None-Match", "\"abc\""}});
  ASSERT_TRUE(same);
  EXPECT_EQ(same->status, 304);
  EXPECT_EQ(same->body, "");
  const auto other = Get({{"If-None-Match", "\"older\""}});
  ASSERT_TRUE(other);
  EXPECT_EQ(other->status, 200);
}

TEST_F(PageTest, ForbidsCodeAndStylesMadeOfText) {
  const auto answer = Get({});
  ASSERT_TRUE(answer);
  const std::string policy = answer->get_header_value("Content-Security-Policy");
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, HasSubstr("script-src 'self'"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
}

}  // namespace
}  // namespace pilotlight::collector
