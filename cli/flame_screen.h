// A flame graph to walk about in, on a whole terminal.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "profile/flame_graph.h"
#include "profile/profile.h"

namespace pilotlight::cli {

// Shows `graph` until somebody leaves it. `subject` says whose it is. Keys are read from the terminal, also
// when standard input is something else. FailedPrecondition when there is no terminal that can do it.
absl::Status ShowFlameScreen(const FlameGraph& graph, const ProfileType& type, const std::string& subject);

}  // namespace pilotlight::cli
