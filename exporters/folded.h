// Folded stacks, one on each line: "main;net/http.(*conn).serve;main.handler 42", the outermost caller first.
//
// Names may hold anything, so these are written as \uXXXX, with the four hexadecimal digits of the character:
// ';' (\u003b), control characters (a newline is \u000a), and a backslash that an 'u' follows (\u005c).
// Spaces stay, for the count follows the last one. So tools that split at ';' and at lines (flamegraph.pl,
// inferno, speedscope, d3) show one frame for each name, and reading gives the same names back. A frame
// without a name, and a sample without frames, are written as "[unknown]".
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight {

enum class FoldedNumber {
  kDefault,  // samples for CPU time, as in files of perf and other profilers; the value for all other types
  kCount,
  kValue,
};

// Sorted by stack. Stacks whose number is not positive are left out.
std::string WriteFolded(const Profile& profile, FoldedNumber number = FoldedNumber::kDefault);

struct FoldedLimits {
  size_t max_depth = 1024;        // deeper stacks lose their outermost callers, which is counted
  size_t max_name_bytes = 16384;  // longer names are cut
  size_t max_nodes = 8'000'000;   // different stacks, callers included
};

// Numbers become both count and value of a profile of the type samples:samples:count::. Names become valid
// UTF-8; those that end like "+0x1234" count as unsymbolized. Empty lines are skipped. InvalidArgument names
// the line that is wrong, OutOfRange the limit that is exceeded.
absl::StatusOr<Profile> ReadFolded(absl::string_view text, const FoldedLimits& limits = {});

}  // namespace pilotlight
