#include "base/http_server.h"

#include <httplib.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/gzip.h"
#include "base/http_connection.h"
#include "base/status_macros.h"
#include "base/web_config.h"

namespace pilotlight {
namespace {

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kCancelled:
      return 499;  // nginx's "client closed request"
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

// Of application/x-www-form-urlencoded: "+" is a space. What is no escape stays as it is.
std::string Decode(absl::string_view text) {
  const auto hex = [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); };
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) && hex(text[i + 2])) {
      decoded += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

// cpp-httplib's own reading loses what is before the last "=" of a value, and browsers do not escape it.
std::multimap<std::string, std::string> ParseQuery(absl::string_view target) {
  std::multimap<std::string, std::string> query;
  const size_t question_mark = target.find('?');
  if (question_mark == absl::string_view::npos) return query;
  target.remove_prefix(question_mark + 1);
  target = target.substr(0, target.find('#'));
  for (const absl::string_view part : absl::StrSplit(target, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    query.emplace(Decode(pair.first), Decode(pair.second));
  }
  return query;
}

HttpRequest ToRequest(const httplib::Request& from) {
  HttpRequest request;
  request.method = from.method;
  request.path = from.path;
  request.query = ParseQuery(from.target);
  for (const auto& [name, value] : from.headers) request.headers[absl::AsciiStrToLower(name)] = value;
  return request;
}

bool IsCompressible(absl::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  return absl::StartsWith(content_type, "text/") || content_type == "application/json" ||
         content_type == "application/proto" || content_type == "image/svg+xml";
}

bool TakesGzip(const httplib::Request& request) {
  for (const absl::string_view part : absl::StrSplit(request.get_header_value("Accept-Encoding"), ',')) {
    const std::pair<absl::string_view, absl::string_view> coding =
        absl::StrSplit(part, absl::MaxSplits(';', 1));
    if (absl::StripAsciiWhitespace(coding.first) != "gzip") continue;
    double quality = 1;
    absl::string_view parameter = absl::StripAsciiWhitespace(coding.second);
    return !absl::ConsumePrefix(&parameter, "q=") || !absl::SimpleAtod(parameter, &quality) || quality > 0;
  }
  return false;
}

void Send(HttpResponse response, const httplib::Request& request, httplib::Response& to) {
  // Below, the header is larger than what is won.
  constexpr size_t kWorthCompressing = 256;
  if (IsCompressible(response.content_type) && response.body.size() >= kWorthCompressing &&
      !response.headers.contains("Content-Encoding")) {
    response.headers["Vary"] = "Accept-Encoding";
    if (TakesGzip(request)) {
      response.body = Gzip(response.body);
      response.headers["Content-Encoding"] = "gzip";
    }
  } else if (const auto coding = response.headers.find("Content-Encoding");
             coding != response.headers.end() && coding->second == "gzip" && !TakesGzip(request)) {
    constexpr size_t kMostBytes = size_t{1} << 30;  // our own handlers made it
    absl::StatusOr<std::string> plain = Gunzip(response.body, kMostBytes);
    if (!plain.ok()) {
      response = HttpError(absl::InternalError(plain.status().message()));
    } else {
      response.body = *std::move(plain);
      response.headers.erase(coding);
    }
  }
  to.status = response.status;
  for (const auto& [name, value] : response.headers) to.set_header(name.c_str(), value);
  if (response.body.empty()) {
    to.set_content("", response.content_type.c_str());
    return;
  }
  // cpp-httplib would compress a plain body itself, for browsers by Brotli at its slowest: 7 s for 4 MB.
  const auto body = std::make_shared<const std::string>(std::move(response.body));
  to.set_content_provider(body->size(), response.content_type.c_str(),
                          [body](size_t offset, size_t length, httplib::DataSink& sink) {
                            return sink.write(body->data() + offset, length);
                          });
}

constexpr int kContentTooLarge = 413;

// Fills body or parts. cpp-httplib decompresses without a limit, and does not limit chunked bodies.
absl::Status ReadBody(const httplib::ContentReader& read, const httplib::Request& from, size_t limit,
                      const httplib::Response& response, HttpRequest& request) {
  // What is too large is read on for a while: an answer before the end of the body would be lost in the reset
  // of the connection.
  constexpr size_t kPatience = 4;
  size_t size = 0;
  std::string* to = &request.body;
  const auto take = [&](const char* bytes, size_t count) {
    size += count;
    if (size <= limit) to->append(bytes, count);
    return size <= kPatience * limit;
  };
  const auto next_part = [&](const httplib::MultipartFormData& part) {
    size += part.name.size();
    if (size <= limit) to = &request.parts[part.name];
    return size <= kPatience * limit;
  };
  const bool whole = from.is_multipart_form_data() ? read(next_part, take) : read(take);
  if (size > limit || response.status == kContentTooLarge) {
    return absl::ResourceExhaustedError(absl::StrCat("the body is larger than ", limit, " bytes"));
  }
  if (!whole) return absl::InvalidArgumentError("the body is cut off, or is not what Content-Encoding says");
  return absl::OkStatus();
}

// cpp-httplib takes paths for regular expressions.
std::string Pattern(const std::string& path) { return absl::StrReplaceAll(path, {{".", "\\."}}); }

}  // namespace

std::string HttpRequest::Parameter(const std::string& name, absl::string_view otherwise) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string(otherwise) : found->second;
}

std::string HttpRequest::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

HttpResponse HttpError(const absl::Status& status) {
  HttpResponse response;
  response.status = HttpStatusOf(status.code());
  response.body = absl::StrCat(status.message(), "\n");
  return response;
}

absl::StatusOr<HostPort> ParseHostPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  HostPort parsed;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(address.substr(colon + 1), &parsed.port) ||
      parsed.port < 0 || parsed.port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", address, "\" is not an address; write host:port, such as localhost:9177, or :9177"));
  }
  absl::string_view host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  parsed.host = host.empty() ? "0.0.0.0" : std::string(host);
  return parsed;
}

HttpServer::HttpServer(HttpServerOptions options) : options_(std::move(options)) {
  if (!options_.web_config_file.empty()) {
    auto web_config = WebConfigFile::Open(options_.web_config_file, options_.allows_users);
    web_config_status_ = web_config.status();
    if (web_config.ok()) web_config_ = *std::move(web_config);
  }
  if (web_config_ != nullptr && web_config_->has_tls()) {
    const std::function<bool(SSL_CTX&)> set_up = [this](SSL_CTX& context) {
      web_config_->ServeTls(context, [this] { options_.on_refused("tls"); });
      return true;
    };
    server_ = std::make_unique<BoundedServer<httplib::SSLServer>>(options_.threads, set_up);
  } else {
    server_ = std::make_unique<BoundedServer<httplib::Server>>(options_.threads);
  }
  SetUpConnections();
}

void HttpServer::SetUpConnections() {
  constexpr size_t kPeers = 4;
  const size_t threads = kPeers * options_.threads;
  server_->new_task_queue = [threads] { return new httplib::ThreadPool(threads); };
  server_->set_payload_max_length(options_.max_body_bytes);
  server_->set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
    using Outcome = httplib::Server::HandlerResponse;
    const auto route = request.method == "POST" ? post_routes_.find(request.path) : post_routes_.end();
    if (const absl::Status status = Admit(request); !status.ok()) {
      HttpResponse refusal = route == post_routes_.end() ? HttpError(status) : route->second.on_error(status);
      // Browsers ask for the password then.
      if (absl::IsUnauthenticated(status)) refusal.headers["WWW-Authenticate"] = "Basic realm=\"pilotlight\"";
      refusal.headers["Connection"] = "close";  // a body may still come
      Send(std::move(refusal), request, response);
      return Outcome::Handled;
    }
    // A request that states no length has no body (RFC 9112, section 6.3), as `curl -X POST` sends it.
    // cpp-httplib would wait for one until the connection ends.
    if (route == post_routes_.end() || request.has_header("Content-Length") ||
        request.has_header("Transfer-Encoding")) {
      return Outcome::Unhandled;
    }
    Send(route->second.handler(ToRequest(request)), request, response);
    return Outcome::Handled;
  });
  if (web_config_ != nullptr) {
    server_->set_post_routing_handler([this](const httplib::Request&, httplib::Response& response) {
      for (const auto& [name, value] : web_config_->Current()->config.headers)
        response.set_header(name.c_str(), value);
    });
  }
  server_->set_error_handler([](const httplib::Request& request, httplib::Response& response) {
    if (response.status != 404 || response.has_header("Content-Type")) return;
    response.set_content(absl::StrCat("no such page: ", request.path, "\n"), "text/plain; charset=utf-8");
  });
}

HttpServer::~HttpServer() { Stop(); }

bool HttpServer::has_tls() const { return web_config_ != nullptr && web_config_->has_tls(); }

absl::Status HttpServer::Admit(const httplib::Request& request) {
  // A browser adds the password that it knows for this server, whoever made the page.
  if (request.method == "POST" && request.get_header_value("Sec-Fetch-Site") == "cross-site") {
    return absl::PermissionDeniedError("this was sent by a page of another site");
  }
  if (std::ranges::find(kOpenPaths, request.path) != std::end(kOpenPaths)) return absl::OkStatus();
  const std::string authorization = request.get_header_value("Authorization");
  if (web_config_ != nullptr && !web_config_->Admits(authorization)) {
    options_.on_refused("password");
    return absl::UnauthenticatedError("this needs a user and a password");
  }
  return authorizer_ ? authorizer_(ToRequest(request)) : absl::OkStatus();
}

void HttpServer::Get(const std::string& path, Handler handler) {
  CHECK(!thread_.joinable());
  server_->Get(Pattern(path),
               [handler = std::move(handler)](const httplib::Request& from, httplib::Response& to) {
                 Send(handler(ToRequest(from)), from, to);
               });
}

void HttpServer::Post(const std::string& path, Handler handler, ErrorHandler on_error) {
  CHECK(!thread_.joinable());
  post_routes_.emplace(path, PostRoute{handler, on_error});
  server_->Post(
      Pattern(path),
      [handler = std::move(handler), on_error = std::move(on_error), limit = options_.max_body_bytes](
          const httplib::Request& from, httplib::Response& to, const httplib::ContentReader& read) {
        HttpRequest request = ToRequest(from);
        const absl::Status status = ReadBody(read, from, limit, to, request);
        if (status.ok()) {
          Send(handler(request), from, to);
          return;
        }
        HttpResponse response = on_error(status);
        // Not 429: it would be sent again.
        if (absl::IsResourceExhausted(status)) response.status = kContentTooLarge;
        // The rest of the body is still to come.
        response.headers["Connection"] = "close";
        Send(std::move(response), from, to);
      });
}

absl::Status HttpServer::Start() {
  RETURN_IF_ERROR(web_config_status_);
  ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(options_.listen_address));
  int listener = -1;
  // The default also sets SO_REUSEPORT, which lets two servers share a port without a word.
  server_->set_socket_options([&listener](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    listener = socket;
  });
  if (address.port == 0) {
    port_ = server_->bind_to_any_port(address.host);
    if (port_ < 0) port_ = 0;
  } else if (server_->bind_to_port(address.host, address.port)) {
    port_ = address.port;
  }
  if (port_ == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.listen_address,
                                               ": the port is in use or the address is not of this machine"));
  }
  // cpp-httplib lets 5 wait; who comes next is not heard and tries again after a second.
  ::listen(listener, SOMAXCONN);
  thread_ = std::thread([this] { server_->listen_after_bind(); });
  return absl::OkStatus();
}

void HttpServer::Stop() {
  if (!thread_.joinable()) return;
  // stop() is lost when it comes before the thread has begun to listen.
  while (!server_->is_running()) std::this_thread::yield();
  server_->stop();
  thread_.join();
}

}  // namespace pilotlight
