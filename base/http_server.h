// The programs' HTTP side: /metrics, health, pages. A thin layer over cpp-httplib, its only home.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace httplib {
struct Request;
class Server;
}  // namespace httplib

namespace pilotlight {

struct HttpRequest {
  std::string method;                             // "GET", "POST"
  std::string path;                               // decoded, without the query
  std::multimap<std::string, std::string> query;  // decoded
  std::map<std::string, std::string> headers;     // names in lower case; of equal ones the last
  std::string body;
  std::map<std::string, std::string> parts;  // of a multipart/form-data body, which is then empty

  // The first value of a query parameter, or `otherwise`.
  std::string Parameter(const std::string& name, absl::string_view otherwise = "") const;
  // Empty when it is not there. `name` in lower case.
  std::string Header(const std::string& name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::map<std::string, std::string> headers;
};

// The answer for an error: the matching HTTP status and the message as plain text.
HttpResponse HttpError(const absl::Status& status);

class WebConfigFile;

struct HttpServerOptions {
  std::string listen_address;  // "host:port", ":port" for all interfaces; port 0 takes a free one
  size_t threads = 4;          // connections at once of one peer; of all, four times as many
  size_t max_body_bytes = size_t{16} << 20;  // before and after decompression
  std::string web_config_file;               // base/web_config.h: TLS, users, headers; empty for none of them
  bool allows_users = true;                  // in that file
  // Each connection and request that is refused by it; `reason` is "tls" or "password". In any thread.
  std::function<void(absl::string_view reason)> on_refused = [](absl::string_view) {};
};

// Answers in its own threads, so handlers must be thread-safe. Text, JSON and protobuf answers are gzipped
// for those who take that. An answer with `Content-Encoding: gzip` is sent as it is, to the others
// decompressed. Paths in kOpenPaths ask for no password.
class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  using ErrorHandler = std::function<HttpResponse(const absl::Status&)>;
  // For probes, which know none.
  static constexpr absl::string_view kOpenPaths[] = {"/-/healthy", "/-/ready"};

  explicit HttpServer(HttpServerOptions options);
  ~HttpServer();  // stops

  // REQUIRES: before Start(). `path` is matched whole; GET handlers answer HEAD too.
  void Get(const std::string& path, Handler handler);
  // The body comes decompressed. `on_error` answers one that is too large (ResourceExhausted) or damaged
  // (InvalidArgument), and those who are refused.
  void Post(const std::string& path, Handler handler, ErrorHandler on_error = HttpError);

  // Asked about each request before its body is read. What is refused is answered with the status's code.
  // REQUIRES: before Start().
  using Authorizer = std::function<absl::Status(const HttpRequest& request)>;
  void SetAuthorizer(Authorizer authorizer) { authorizer_ = std::move(authorizer); }

  // Binds and serves. InvalidArgument for an address that is none, and for a web configuration file that
  // makes no sense; the message says when the address is in use.
  absl::Status Start();
  // Waits for running handlers.
  void Stop();
  int port() const { return port_; }
  bool has_tls() const;

 private:
  void SetUpConnections();
  absl::Status Admit(const httplib::Request& request);

  const HttpServerOptions options_;
  std::unique_ptr<WebConfigFile> web_config_;  // null without
  absl::Status web_config_status_;
  Authorizer authorizer_;
  std::unique_ptr<httplib::Server> server_;
  struct PostRoute {
    Handler handler;
    ErrorHandler on_error;
  };
  std::map<std::string, PostRoute> post_routes_;  // by path
  std::thread thread_;
  int port_ = 0;
};

struct HostPort {
  std::string host;  // "0.0.0.0" when the address has none
  int port = 0;
};
// Reads "host:port", ":port", "[::1]:port". InvalidArgument says what an address looks like.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view address);

}  // namespace pilotlight
