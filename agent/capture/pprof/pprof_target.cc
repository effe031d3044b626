#include "agent/capture/pprof/pprof_target.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/http_client.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

constexpr absl::string_view kPprofPath = "/debug/pprof";
constexpr absl::string_view kProfilePath = "/profile";

}  // namespace

absl::Duration PprofSeconds(absl::Duration duration) {
  return absl::Seconds(std::max<int64_t>(absl::ToInt64Seconds(duration), 1));
}

std::string PprofTarget::ProfileUrl(absl::Duration duration) const {
  return absl::StrCat(url, "?seconds=", absl::ToInt64Seconds(PprofSeconds(duration)));
}

std::string PprofTarget::HeapTextUrl() const {
  return absl::StrCat(absl::StripSuffix(url, kProfilePath), "/heap?debug=1");
}

absl::StatusOr<PprofTarget> ParsePprofTarget(absl::string_view text) {
  PprofTarget target;
  absl::string_view url = text;
  // A service's name has no ':', so this is no '=' of a query.
  const size_t equals = text.find('=');
  if (equals < text.find(':')) {
    target.service = std::string(text.substr(0, equals));
    url.remove_prefix(equals + 1);
    if (target.service.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" has no service in front of the ="));
    }
  }
  ASSIGN_OR_RETURN(const HttpUrl parsed, ParseHttpUrl(url));
  if (absl::StrContains(parsed.target, '?')) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", url, "\": leave the query out; the length of a profile is a setting of its own"));
  }
  absl::string_view path = absl::StripSuffix(absl::StripSuffix(parsed.target, "/"), kProfilePath);
  path = absl::StripSuffix(path, kPprofPath);
  if (absl::StrContains(path, kPprofPath)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", url, "\" is not a CPU profile: it must end with ",
                                                   kPprofPath, kProfilePath, " or ", kPprofPath));
  }
  target.url = absl::StrCat(parsed.origin, path, kPprofPath, kProfilePath);
  target.instance = parsed.authority;
  if (target.service.empty()) {
    const size_t colon = parsed.authority.rfind(':');
    const bool has_port =
        colon != std::string::npos && parsed.authority.find(']', colon) == std::string::npos;
    target.service = has_port ? parsed.authority.substr(0, colon) : parsed.authority;
  }
  return target;
}

}  // namespace pilotlight::agent
