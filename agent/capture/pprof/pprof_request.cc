#include "agent/capture/pprof/pprof_request.h"

#include <utility>

#include "agent/gc/heap_text.h"
#include "base/status_macros.h"

namespace pilotlight::agent {

PprofAnswer GetProfiles(const std::string& url, const HttpGetOptions& http, const PprofLimits& limits,
                        const StopSignal& stop) {
  PprofAnswer result;
  const absl::StatusOr<HttpGetResult> answer = HttpGet(url, http, stop);
  result.reached = answer.ok();
  if (!answer.ok()) {
    result.failure = PprofFailureOf(answer.status());
  } else if (answer->status != 200) {
    result.failure = PprofFailureOf(*answer);
  } else if (absl::StatusOr<std::vector<Profile>> profiles = ReadPprof(answer->body, limits); profiles.ok()) {
    result.profiles = *std::move(profiles);
  } else {
    result.failure = {"bad_profile", std::string(profiles.status().message())};
  }
  return result;
}

absl::StatusOr<GoMemStats> GetGcPauses(const std::string& url, const HttpGetOptions& http,
                                       const StopSignal& stop) {
  ASSIGN_OR_RETURN(const HttpGetResult answer, HttpGet(url, http, stop));
  return ParseHeapText(answer.body);
}

}  // namespace pilotlight::agent
