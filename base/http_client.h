// One HTTP or HTTPS GET. Like base/http_server.h a thin layer over cpp-httplib, which has its home here.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/stop_signal.h"

namespace pilotlight {

// "http://host:6060/debug/pprof?x=1" in its parts.
struct HttpUrl {
  std::string origin;     // "http://host:6060": scheme, host and port as they were written
  std::string authority;  // "host:6060"
  std::string target;     // path and query, "/" when there is none
};
// InvalidArgument unless it is an absolute http or https URL. A user and a password are refused, as they
// would end in logs.
absl::StatusOr<HttpUrl> ParseHttpUrl(absl::string_view url);

struct HttpGetOptions {
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration timeout = absl::Seconds(30);  // of the whole request
  size_t max_body_bytes = size_t{64} << 20;    // after decompression
  std::string unix_socket;                     // path of one to connect to, in place of the URL's host
};

struct HttpGetResult {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; of several, the last one
  std::string body;
};

// The answer, whatever its status. Follows up to five redirects, but none to another origin.
// Unavailable when there is no connection or it breaks, DeadlineExceeded after `timeout`, Cancelled after
// `stop`, OutOfRange for a body that is too large, FailedPrecondition for a redirect elsewhere. Messages do
// not repeat the URL.
absl::StatusOr<HttpGetResult> HttpGet(absl::string_view url, const HttpGetOptions& options,
                                      const StopSignal& stop);

}  // namespace pilotlight
