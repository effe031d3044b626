#include "agent/pull/endpoint_request.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace pilotlight::agent {
namespace {

// Small enough for the agent's own memory, whatever the program sends.
constexpr PprofLimits kLimits = {.max_bytes = size_t{32} << 20,
                                 .max_samples = 200'000,
                                 .max_strings = 200'000,
                                 .max_locations = 200'000,
                                 .max_nodes = 400'000};

std::string UrlOf(const GoEndpoint& endpoint, absl::string_view path) {
  return absl::StrCat("http://", endpoint.port.host, ":", endpoint.port.port, "/debug/pprof/", path);
}

HttpGetOptions HttpOf(absl::Duration timeout) {
  constexpr size_t kMaxBodyBytes = size_t{8} << 20;  // of one gzipped profile
  return {.connect_timeout = absl::Seconds(1), .timeout = timeout, .max_body_bytes = kMaxBodyBytes};
}

}  // namespace

PprofAnswer GetProfiles(const GoEndpoint& endpoint, absl::string_view path, absl::Duration timeout,
                        const StopSignal& stop) {
  return GetProfiles(UrlOf(endpoint, path), HttpOf(timeout), kLimits, stop);
}

absl::StatusOr<GoMemStats> GetGcPauses(const GoEndpoint& endpoint, absl::Duration timeout,
                                       const StopSignal& stop) {
  return GetGcPauses(UrlOf(endpoint, "heap?debug=1"), HttpOf(timeout), stop);
}

}  // namespace pilotlight::agent
