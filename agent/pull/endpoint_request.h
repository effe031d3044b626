// Asking a pprof endpoint that was found, in the network of its process.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/capture/pprof/pprof_request.h"
#include "agent/gc/go_memstats.h"
#include "agent/pull/go_endpoints.h"
#include "base/stop_signal.h"

namespace pilotlight::agent {

// `path` is below /debug/pprof/. Profiles have no labels yet. To be called within RunInNetworkOf().
PprofAnswer GetProfiles(const GoEndpoint& endpoint, absl::string_view path, absl::Duration timeout,
                        const StopSignal& stop);
// As ParseHeapText(). To be called within RunInNetworkOf().
absl::StatusOr<GoMemStats> GetGcPauses(const GoEndpoint& endpoint, absl::Duration timeout,
                                       const StopSignal& stop);

}  // namespace pilotlight::agent
