// What a Go program says of its pauses over HTTP, where its memory may not be read.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/gc/go_memstats.h"

namespace pilotlight::agent {

// What /debug/pprof/heap?debug=1 says at its end (runtime/pprof/pprof.go, writeHeapInternal), without the sum
// and the ends of the pauses. InvalidArgument when it says something else, or that there was no collection
// yet.
absl::StatusOr<GoMemStats> ParseHeapText(absl::string_view text);

}  // namespace pilotlight::agent
