#include "base/http_server.h"

#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "absl/strings/match.h"
#include "base/unique_fd.h"

namespace pilotlight {
namespace {

HttpServerOptions AnyPort() { return {.listen_address = "127.0.0.1:0"}; }

TEST(HttpServerTest, AnswersWithDecodedQuery) {
  HttpServer server(AnyPort());
  server.Get("/echo", [](const HttpRequest& request) {
    HttpResponse response;
    response.body = request.Parameter("q") + request.Parameter("none", "!");
    return response;
  });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  const auto answer = client.Get("/echo?q=%7Ba%3D%22b%22%7D");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "{a=\"b\"}!");
}

TEST(HttpServerTest, ReadsAQueryThatABrowserDidNotEscape) {
  HttpServer server(AnyPort());
  server.Get("/echo", [](const HttpRequest& request) {
    HttpResponse response;
    response.body = request.Parameter("q") + "|" + request.Parameter("p") + "|" + request.Parameter("e", "!");
    return response;
  });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  EXPECT_EQ(client.Get("/echo?q={a=~%22b=c%22}&p=1%202&e")->body, "{a=~\"b=c\"}|1 2|");
}

TEST(HttpServerTest, TurnsAStatusIntoItsHttpCode) {
  EXPECT_EQ(HttpError(absl::InvalidArgumentError("x")).status, 400);
  EXPECT_EQ(HttpError(absl::ResourceExhaustedError("x")).status, 429);
  EXPECT_EQ(HttpError(absl::InternalError("x")).body, "x\n");
}

TEST(HttpServerTest, SaysThatAPortIsInUse) {
  HttpServer first(AnyPort());
  ASSERT_TRUE(first.Start().ok());
  HttpServer second({.listen_address = absl::StrCat("127.0.0.1:", first.port())});
  const absl::Status status = second.Start();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_NE(status.message().find("in use"), absl::string_view::npos);
}

TEST(HttpServerTest, RefusesABodyOverTheLimit) {
  HttpServer server({.listen_address = "127.0.0.1:0", .max_body_bytes = 10});
  server.Post("/", [](const HttpRequest&) { return HttpResponse{}; });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  EXPECT_EQ(client.Post("/", std::string(11, 'x'), "text/plain")->status, 413);
  EXPECT_EQ(client.Get("/none")->status, 404);
}

// As `curl -X POST` sends it. The connection stays open, so a server that waits for a body waits long.
TEST(HttpServerTest, TakesARequestThatStatesNoLengthAsOneWithoutABody) {
  HttpServer server(AnyPort());
  server.Post("/act", [](const HttpRequest& request) {
    HttpResponse response;
    response.body = request.body.empty() ? "done" : "a body";
    return response;
  });
  ASSERT_TRUE(server.Start().ok());
  const UniqueFd connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server.port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  constexpr absl::string_view kRequest = "POST /act HTTP/1.1\r\nHost: x\r\n\r\n";
  ASSERT_EQ(::send(connection.get(), kRequest.data(), kRequest.size(), 0), kRequest.size());
  std::string answer;
  char buffer[4096];
  while (!absl::EndsWith(answer, "done")) {
    const ssize_t count = ::recv(connection.get(), buffer, sizeof(buffer), 0);
    ASSERT_GT(count, 0) << answer;
    answer.append(buffer, static_cast<size_t>(count));
  }
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 200 ")) << answer;
}

TEST(ParseHostPortTest, ReadsTheUsualForms) {
  EXPECT_EQ(ParseHostPort(":9177")->host, "0.0.0.0");
  EXPECT_EQ(ParseHostPort("[::1]:80")->host, "::1");
  EXPECT_EQ(ParseHostPort("a.b:80")->port, 80);
  for (const char* bad : {"", "a", "a:", "a:x", "a:70000", "a:-1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseHostPort(bad).status())) << bad;
  }
}

}  // namespace
}  // namespace pilotlight
