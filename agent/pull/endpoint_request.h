// Asking a pprof endpoint in the network of its process.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/capture/pprof/pprof_failure.h"
#include "agent/gc/go_memstats.h"
#include "agent/pull/go_endpoints.h"
#include "base/stop_signal.h"
#include "profile/profile.h"

namespace pilotlight::agent {

struct EndpointAnswer {
  std::vector<Profile> profiles;
  std::optional<PprofFailure> failure;
  bool reached = true;  // there was an answer
};

// `path` is below /debug/pprof/. Profiles have no labels yet. To be called within RunInNetworkOf().
EndpointAnswer GetProfiles(const GoEndpoint& endpoint, absl::string_view path, absl::Duration timeout,
                           const StopSignal& stop);
// As ParseHeapText(). To be called within RunInNetworkOf().
absl::StatusOr<GoMemStats> GetGcPauses(const GoEndpoint& endpoint, absl::Duration timeout,
                                       const StopSignal& stop);

}  // namespace pilotlight::agent
