// Asking a Go program's pprof endpoint.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/capture/pprof/pprof_failure.h"
#include "agent/gc/go_memstats.h"
#include "base/http_client.h"
#include "base/stop_signal.h"
#include "exporters/pprof.h"
#include "profile/profile.h"

namespace pilotlight::agent {

struct PprofAnswer {
  std::vector<Profile> profiles;
  std::optional<PprofFailure> failure;
  bool reached = true;  // there was an answer
};

PprofAnswer GetProfiles(const std::string& url, const HttpGetOptions& http, const PprofLimits& limits,
                        const StopSignal& stop);

// `url` is that of a heap profile as text: as ParseHeapText().
absl::StatusOr<GoMemStats> GetGcPauses(const std::string& url, const HttpGetOptions& http,
                                       const StopSignal& stop);

}  // namespace pilotlight::agent
