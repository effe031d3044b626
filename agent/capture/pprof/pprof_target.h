// Where a Go program serves its own profiles.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pilotlight::agent {

struct PprofTarget {
  std::string service;   // the service_name of its profiles
  std::string instance;  // "host:port"
  std::string url;       // "http://host:6060/debug/pprof/profile", without a query

  // The URL that yields a CPU profile of `duration`, in whole seconds and at least one: Go takes anything
  // else for 30 s (net/http/pprof, func Profile).
  std::string ProfileUrl(absl::Duration duration) const;
  // The URL of a heap profile as text, which ends with what ParseHeapText() reads.
  std::string HeapTextUrl() const;
};

// The seconds that ProfileUrl() asks for.
absl::Duration PprofSeconds(absl::Duration duration);

// "http://host:6060", "…/debug/pprof", "…/debug/pprof/" or "…/debug/pprof/profile", optionally with the
// service's name in front: "checkout=http://host:6060". Without one it is the host. InvalidArgument says what
// is wrong.
absl::StatusOr<PprofTarget> ParsePprofTarget(absl::string_view text);

}  // namespace pilotlight::agent
