#include "agent/pull/endpoint_request.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/gc/heap_text.h"
#include "base/http_client.h"
#include "base/status_macros.h"
#include "exporters/pprof.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kMaxBodyBytes = size_t{8} << 20;  // of one gzipped profile

// Small enough for the agent's own memory, whatever the program sends.
constexpr PprofLimits kLimits = {.max_bytes = size_t{32} << 20,
                                 .max_samples = 200'000,
                                 .max_strings = 200'000,
                                 .max_locations = 200'000,
                                 .max_nodes = 400'000};

absl::StatusOr<HttpGetResult> Get(const GoEndpoint& endpoint, absl::string_view path, absl::Duration timeout,
                                  const StopSignal& stop) {
  return HttpGet(absl::StrCat("http://", endpoint.port.host, ":", endpoint.port.port, "/debug/pprof/", path),
                 {.connect_timeout = absl::Seconds(1), .timeout = timeout, .max_body_bytes = kMaxBodyBytes},
                 stop);
}

}  // namespace

EndpointAnswer GetProfiles(const GoEndpoint& endpoint, absl::string_view path, absl::Duration timeout,
                           const StopSignal& stop) {
  EndpointAnswer result;
  const absl::StatusOr<HttpGetResult> answer = Get(endpoint, path, timeout, stop);
  result.reached = answer.ok();
  if (!answer.ok()) {
    result.failure = PprofFailureOf(answer.status());
  } else if (answer->status != 200) {
    result.failure = PprofFailureOf(*answer);
  } else if (absl::StatusOr<std::vector<Profile>> profiles = ReadPprof(answer->body, kLimits);
             profiles.ok()) {
    result.profiles = *std::move(profiles);
  } else {
    result.failure = {"bad_profile", std::string(profiles.status().message())};
  }
  return result;
}

absl::StatusOr<GoMemStats> GetGcPauses(const GoEndpoint& endpoint, absl::Duration timeout,
                                       const StopSignal& stop) {
  ASSIGN_OR_RETURN(const HttpGetResult answer, Get(endpoint, "heap?debug=1", timeout, stop));
  return ParseHeapText(answer.body);
}

}  // namespace pilotlight::agent
