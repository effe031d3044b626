#include "collector/api/page.h"

#include <string>

#include "absl/strings/match.h"

namespace pilotlight::collector {
namespace {

// Everything comes from this server, and nothing in the page makes code or styles out of text.
constexpr absl::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

// speedscope makes its style sheets at run time.
constexpr absl::string_view kSpeedscopePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

HttpResponse Answer(const PageFile& file, const HttpRequest& request) {
  const absl::string_view policy =
      absl::StartsWith(file.path, "/speedscope/") ? kSpeedscopePolicy : kContentSecurityPolicy;
  HttpResponse response;
  response.headers = {{"ETag", std::string(file.etag)},
                      // Asks each time, as the next version of the program has other files there.
                      {"Cache-Control", "no-cache"},
                      {"Vary", "Accept-Encoding"},
                      {"Content-Security-Policy", std::string(policy)},
                      {"Referrer-Policy", "no-referrer"},
                      {"X-Content-Type-Options", "nosniff"}};
  response.content_type = std::string(file.content_type);
  if (absl::StrContains(request.Header("if-none-match"), file.etag)) {
    response.status = 304;
    return response;
  }
  response.headers["Content-Encoding"] = "gzip";
  response.body = std::string(file.gzip);
  return response;
}

}  // namespace

void AddPage(absl::Span<const PageFile> files, HttpServer& server) {
  for (const PageFile& file : files) {
    server.Get(std::string(file.path), [file](const HttpRequest& request) { return Answer(file, request); });
  }
}

}  // namespace pilotlight::collector
