#include "agent/capture/pprof/pprof_failure.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace pilotlight::agent {
namespace {

// The first line of a body, fit for a log.
std::string FirstLine(absl::string_view body) {
  std::string line(body.substr(0, std::min<size_t>(body.find('\n'), 200)));
  for (char& c : line) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return line;
}

}  // namespace

PprofFailure PprofFailureOf(const absl::Status& status) {
  const std::string message(status.message());
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
      return {"stopped", message};
    case absl::StatusCode::kDeadlineExceeded:
      return {"timeout", absl::StrCat(message, "; is the program overloaded, or a proxy in between?")};
    case absl::StatusCode::kOutOfRange:
      return {"too_large", message};
    case absl::StatusCode::kFailedPrecondition:
      return {"redirect", absl::StrCat(message, "; give the final URL")};
    default:
      return {"unreachable", absl::StrCat(message,
                                          "; a program that listens on localhost only can be asked from "
                                          "its own host or pod only")};
  }
}

PprofFailure PprofFailureOf(const HttpGetResult& answer) {
  const std::string said = FirstLine(answer.body);
  // The texts are of net/http/pprof and runtime/pprof.
  if (answer.status == 404) {
    return {"no_endpoint",
            "no pprof there: the program must import net/http/pprof and serve its handlers at this port"};
  }
  if (absl::StrContains(answer.body, "already in use")) {
    return {"busy", "another CPU profile of this program is running; a program can take one at a time"};
  }
  if (absl::StrContains(answer.body, "WriteTimeout")) {
    return {"write_timeout",
            "the server's WriteTimeout is shorter than the profile: raise it or take shorter profiles"};
  }
  return {"http_error", absl::StrCat("HTTP status ", answer.status, ": ", said)};
}

}  // namespace pilotlight::agent
