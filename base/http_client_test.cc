#include "base/http_client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"
#include "base/http_server.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pilotlight {
namespace {

using ::testing::HasSubstr;

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest() : server_({.listen_address = "127.0.0.1:0"}) {
    server_.Get("/hello", [](const HttpRequest&) { return HttpResponse{.body = "hello"}; });
    server_.Get("/teapot", [](const HttpRequest&) { return HttpResponse{.status = 418, .body = "short"}; });
    server_.Get("/moved", [](const HttpRequest&) {
      return HttpResponse{.status = 302, .headers = {{"Location", "/hello"}}};
    });
    server_.Get("/round", [](const HttpRequest&) {
      return HttpResponse{.status = 302, .headers = {{"Location", "/round"}}};
    });
    server_.Get("/away", [](const HttpRequest&) {
      return HttpResponse{.status = 302, .headers = {{"Location", "http://127.0.0.2:1/hello"}}};
    });
    server_.Get("/slow", [this](const HttpRequest&) {
      asked_.Stop();
      answer_.WaitFor(absl::InfiniteDuration());
      return HttpResponse{.body = "late"};
    });
    EXPECT_TRUE(server_.Start().ok());
  }
  ~HttpClientTest() override { answer_.Stop(); }

  absl::StatusOr<HttpGetResult> Get(const std::string& path, const HttpGetOptions& options = {}) {
    return HttpGet(absl::StrCat("http://127.0.0.1:", server_.port(), path), options, stop_);
  }

  StopSignal asked_;
  StopSignal answer_;
  StopSignal stop_;
  HttpServer server_;
};

TEST_F(HttpClientTest, GivesStatusAndBodyAlsoOfErrors) {
  EXPECT_EQ(Get("/hello").value().body, "hello");
  const HttpGetResult teapot = Get("/teapot").value();
  EXPECT_EQ(teapot.status, 418);
  EXPECT_EQ(teapot.body, "short");
}

TEST_F(HttpClientTest, FollowsRedirectsOfTheSameOriginOnly) {
  EXPECT_EQ(Get("/moved").value().body, "hello");
  EXPECT_EQ(Get("/away").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Get("/round").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(HttpClientTest, ABodyOverTheLimitIsRefused) {
  EXPECT_TRUE(Get("/hello", {.max_body_bytes = 5}).ok());
  EXPECT_EQ(Get("/hello", {.max_body_bytes = 4}).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(HttpClientTest, AServerThatDoesNotAnswerTimesOut) {
  EXPECT_EQ(Get("/slow", {.timeout = absl::Milliseconds(50)}).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(HttpClientTest, StopEndsARequestThatWaits) {
  std::thread stopper([this] {
    asked_.WaitFor(absl::InfiniteDuration());
    stop_.Stop();
  });
  EXPECT_EQ(Get("/slow").status().code(), absl::StatusCode::kCancelled);
  stopper.join();
}

TEST_F(HttpClientTest, NobodyListeningIsUnavailable) {
  const int port = server_.port();
  server_.Stop();
  EXPECT_EQ(HttpGet(absl::StrCat("http://127.0.0.1:", port), {}, stop_).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(HttpGet(absl::StrCat("https://127.0.0.1:", port), {}, stop_).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(HttpUrlTest, TakesAUrlApart) {
  const HttpUrl url = ParseHttpUrl("https://[::1]:6060/debug/pprof?x=1#top").value();
  EXPECT_EQ(url.origin, "https://[::1]:6060");
  EXPECT_EQ(url.authority, "[::1]:6060");
  EXPECT_EQ(url.target, "/debug/pprof?x=1");
  EXPECT_EQ(ParseHttpUrl("http://host").value().target, "/");
  EXPECT_EQ(ParseHttpUrl("http://host?x").value().target, "/?x");
}

TEST(HttpUrlTest, RefusesWhatIsNone) {
  EXPECT_THAT(ParseHttpUrl("host:6060").status().message(), HasSubstr("http://"));
  EXPECT_FALSE(ParseHttpUrl("http://").ok());
  EXPECT_FALSE(ParseHttpUrl("http://:80").ok());
  EXPECT_FALSE(ParseHttpUrl("http://a b/").ok());
  const absl::Status password = ParseHttpUrl("http://me:secret@host/").status();
  EXPECT_FALSE(password.ok());
  EXPECT_THAT(password.message(), ::testing::Not(HasSubstr("secret")));
}

// What one request says that comes to a socket, and an answer for it.
std::string AnswerOne(int listener) {
  const UniqueFd connection(::accept(listener, nullptr, nullptr));
  std::string request;
  while (request.find("\r\n\r\n") == std::string::npos) {
    char buffer[1024];
    const ssize_t size = ::read(connection.get(), buffer, sizeof(buffer));
    if (size <= 0) break;
    request.append(buffer, static_cast<size_t>(size));
  }
  constexpr absl::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  CHECK(::write(connection.get(), kAnswer.data(), kAnswer.size()) == static_cast<ssize_t>(kAnswer.size()));
  return request;
}

TEST_F(HttpClientTest, AsksOverAUnixSocket) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/http.sock";
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  std::string request;
  std::thread server([&] { request = AnswerOne(listener.get()); });
  const auto result = HttpGet("http://docker/list?all=1", {.unix_socket = path}, stop_);
  server.join();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->body, "hello");
  EXPECT_THAT(request, testing::StartsWith("GET /list?all=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Host: docker\r\n"));
}

TEST_F(HttpClientTest, FailsWithoutTheUnixSocket) {
  EXPECT_EQ(HttpGet("http://docker/", {.unix_socket = "/nowhere/http.sock"}, stop_).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace pilotlight
