// A function among its neighbours: who calls it, whom it calls, as `go tool pprof -peek` shows it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight {

struct PeekNeighbour {
  std::string function;
  Sample with;  // samples in which the call stands, each once; `node` is not used
};

struct PeekFunction {
  std::string function;
  std::string file;  // of its first frame seen
  Sample flat;
  Sample cumulative;
  // The largest first, equal ones by name. Calls of itself are left out, so are frames without a caller: the
  // callers add up to less than `cumulative`, or to more where a stack has several calls.
  std::vector<PeekNeighbour> callers;
  std::vector<PeekNeighbour> callees;
};

struct PeekTable {
  ProfileTotals total;
  std::vector<PeekFunction> functions;  // by cumulative value, the largest first
  size_t all_functions = 0;             // that match, before the cut at `limit`
};

// The functions in whose name the RE2 expression `function` matches anywhere; `limit` 0 means all.
// InvalidArgument for a bad or an empty expression.
absl::StatusOr<PeekTable> BuildPeek(const Profile& profile, absl::string_view function, size_t limit);

}  // namespace pilotlight
