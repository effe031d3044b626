// Who gives up the CPU in a Go program: the callers of runtime.mcall, by what the scheduler costs because of
// them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "profile/profile.h"
#include "profile/statistics.h"

namespace pilotlight {

struct BlockerRow {
  std::string function;  // the nearest caller outside of Go's runtime, sync, time, syscall and internal
  std::string file;      // of its first frame seen
  std::string wait;      // what it called there: "runtime.chanrecv1", "sync.(*Mutex).Lock", …
  Sample mcall;          // samples with runtime.mcall below it; `node` is not used
  Interval share;        // 95 % interval of mcall.count over all samples with runtime.mcall
};

struct BlockerTable {
  ProfileTotals total;           // of the profile
  ProfileTotals mcall;           // with runtime.mcall in the stack
  ProfileTotals joined;          // of those, with a caller
  std::vector<BlockerRow> rows;  // the largest first
  size_t all_rows = 0;           // before the cut at `limit`
};

// `limit` 0 means all.
BlockerTable BuildBlockers(const Profile& profile, size_t limit);

// "net/http" of "net/http.(*conn).serve"; empty when there is none.
absl::string_view GoPackage(absl::string_view function);

}  // namespace pilotlight
