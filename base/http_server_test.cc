#include "base/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/gzip.h"
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

TEST(HttpServerTest, RefusesWhatAPageOfAnotherSitePosts) {
  HttpServer server(AnyPort());
  server.Post("/act", [](const HttpRequest&) { return HttpResponse{}; });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  EXPECT_EQ(client.Post("/act", {{"Sec-Fetch-Site", "cross-site"}}, "", "text/plain")->status, 403);
  EXPECT_EQ(client.Post("/act", {{"Sec-Fetch-Site", "same-origin"}}, "", "text/plain")->status, 200);
  EXPECT_EQ(client.Post("/act", "", "text/plain")->status, 200);
}

TEST(HttpServerTest, RefusesBeforeItReadsTheBody) {
  HttpServer server({.listen_address = "127.0.0.1:0", .max_body_bytes = 10});
  server.Post("/act", [](const HttpRequest&) { return HttpResponse{}; });
  server.SetAuthorizer([](const HttpRequest& request) {
    return request.path == "/act" && request.Header("authorization") == "me"
               ? absl::OkStatus()
               : absl::UnauthenticatedError("no");
  });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  const auto refused = client.Post("/act", std::string(11, 'x'), "text/plain");
  EXPECT_EQ(refused->status, 401);  // not 413
  EXPECT_EQ(refused->get_header_value("WWW-Authenticate"), "Basic realm=\"pilotlight\"");
  EXPECT_EQ(client.Post("/act", {{"Authorization", "me"}}, "x", "text/plain")->status, 200);
}

// From another address of this machine: another peer.
int ConnectFrom(const char* address, int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &own.sin_addr);
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&own), sizeof(own)), 0);
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(port));
  ::inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
  EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&server), sizeof(server)), 0);
  return socket;
}

TEST(HttpServerTest, ConnectionsOfOnePeerDoNotKeepOthersOut) {
  HttpServer server(AnyPort());
  server.Get("/", [](const HttpRequest&) { return HttpResponse{.body = "here"}; });
  ASSERT_TRUE(server.Start().ok());
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 50; ++i) {
    slow.emplace_back(ConnectFrom("127.0.0.1", server.port()));
    ASSERT_EQ(::send(slow.back().get(), "GET / HT", 8, MSG_NOSIGNAL), 8);
  }
  const UniqueFd other(ConnectFrom("127.0.0.2", server.port()));
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  ASSERT_EQ(::send(other.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char bytes[1024];
  for (ssize_t count = 0; (count = ::recv(other.get(), bytes, sizeof(bytes), 0)) > 0;)
    answer.append(bytes, count);
  EXPECT_THAT(answer, testing::EndsWith("here"));
  // And those that have waited for their turn are answered, too.
  ASSERT_EQ(::send(slow[49].get(), "TP/1.1\r\nConnection: close\r\n\r\n", 29, MSG_NOSIGNAL), 29);
  slow.erase(slow.begin(), slow.begin() + 49);
  ASSERT_GT(::recv(slow[0].get(), bytes, sizeof(bytes), 0), 0);
  EXPECT_EQ(std::string(bytes, 12), "HTTP/1.1 200");
}

TEST(HttpServerTest, ALargeAnswerIsTakenInPieces) {
  HttpServer server(AnyPort());
  const std::string large(size_t{20} << 20, 'x');
  server.Get("/", [&large](const HttpRequest&) {
    return HttpResponse{.content_type = "application/octet-stream", .body = large};
  });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  EXPECT_EQ(client.Get("/")->body, large);
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

TEST(HttpServerTest, LimitsABodyByItsSizeAfterDecompressionAndInChunks) {
  HttpServer server({.listen_address = "127.0.0.1:0", .max_body_bytes = 1000});
  server.Post("/", [](const HttpRequest& request) {
    HttpResponse response;
    response.body = request.body;
    return response;
  });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  const httplib::Headers gzip = {{"Content-Encoding", "gzip"}};
  EXPECT_EQ(client.Post("/", gzip, Gzip("small"), "text/plain")->body, "small");
  const auto bomb = client.Post("/", gzip, Gzip(std::string(3000, 'x')), "text/plain");
  EXPECT_EQ(bomb->status, 413);
  EXPECT_EQ(bomb->get_header_value("Connection"), "close");
  EXPECT_EQ(client.Post("/", gzip, "no gzip", "text/plain")->status, 400);
  const auto chunks = [](size_t at, httplib::DataSink& sink) {
    sink.write(std::string(400, 'x').data(), 400);
    if (at >= 800) sink.done();
    return true;
  };
  EXPECT_EQ(client.Post("/", chunks, "text/plain")->status, 413);
}

TEST(HttpServerTest, TakesAFormApart) {
  HttpServer server({.listen_address = "127.0.0.1:0", .max_body_bytes = 1000});
  server.Post("/", [](const HttpRequest& request) {
    HttpResponse response;
    for (const auto& [name, part] : request.parts) absl::StrAppend(&response.body, name, "=", part, ";");
    return response;
  });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  EXPECT_EQ(client.Post("/", {{"b", "2\r\n", "file", ""}, {"a", "1", "", ""}})->body, "a=1;b=2\r\n;");
  EXPECT_EQ(client.Post("/", {{"b", std::string(1001, 'x'), "file", ""}})->status, 413);
}

TEST(HttpServerTest, AnswersABadBodyAsThePathWantsIt) {
  HttpServer server({.listen_address = "127.0.0.1:0", .max_body_bytes = 10});
  server.Post(
      "/", [](const HttpRequest&) { return HttpResponse{}; },
      [](const absl::Status& status) {
        HttpResponse response = HttpError(status);
        response.body = "mine";
        return response;
      });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  EXPECT_EQ(client.Post("/", std::string(11, 'x'), "text/plain")->body, "mine");
}

TEST(HttpServerTest, CompressesForThoseWhoTakeGzipAndOnlyOnce) {
  HttpServer server(AnyPort());
  const std::string text(1000, 'x');
  const auto answer = [&server](const std::string& path, const std::string& type, const std::string& body,
                                const std::string& encoding) {
    server.Get(path, [=](const HttpRequest&) {
      HttpResponse response{.content_type = type, .body = body, .headers = {}};
      if (!encoding.empty()) response.headers["Content-Encoding"] = encoding;
      return response;
    });
  };
  answer("/json", "application/json", text, "");
  answer("/image", "image/png", text, "");
  answer("/packed", "text/javascript", Gzip(text), "gzip");
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  client.set_decompress(false);
  const auto body = [&client](const char* path, const char* accepts) {
    return client.Get(path, {{"Accept-Encoding", accepts}})->body;
  };
  EXPECT_EQ(body("/json", "br, gzip;q=0.5"), Gzip(text));
  EXPECT_EQ(body("/json", "br, gzip;q=0"), text);
  EXPECT_EQ(body("/json", ""), text);
  EXPECT_EQ(body("/image", "gzip"), text);
  EXPECT_EQ(body("/packed", "gzip"), Gzip(text));
}

TEST(HttpServerTest, TakesPathsForWhatTheyAre) {
  HttpServer server(AnyPort());
  server.Get("/a.b", [](const HttpRequest&) { return HttpResponse{}; });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  EXPECT_EQ(client.Get("/a.b")->status, 200);
  EXPECT_EQ(client.Get("/axb")->status, 404);
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
