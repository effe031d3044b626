// A function line by line, as `go tool pprof -list` shows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight {

struct ListedLine {
  uint32_t line = 0;  // 1-based; 0: not known
  Sample flat;        // samples with the line at the leaf; `node` is not used
  Sample cumulative;  // samples with the line anywhere, in a recursion once
};

struct ListedFunction {
  std::string function;
  std::string file;  // as the profile names it, empty when unknown
  FrameKind kind = FrameKind::kUnknown;
  uint32_t start_line = 0;  // where it begins, 0 when unknown; of several, as of several versions, the first
  bool moved = false;       // it begins at several lines, so the profile is of several versions of the file
  Sample flat;
  Sample cumulative;
  std::vector<ListedLine> lines;  // by line; only those with samples
};

struct Listing {
  ProfileTotals total;
  std::vector<ListedFunction> functions;  // by cumulative value, the largest first
  size_t all_functions = 0;               // that match, before the cut at `limit`
};

// The functions in whose name the RE2 expression `function` matches anywhere, each of every file on its own;
// `limit` 0 means all. InvalidArgument for a bad or an empty expression.
absl::StatusOr<Listing> BuildListing(const Profile& profile, absl::string_view function, size_t limit);

}  // namespace pilotlight
