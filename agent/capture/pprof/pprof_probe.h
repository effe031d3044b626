// Where a Go process of this node serves net/http/pprof, without taking any profile of it.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "agent/targets/listening_ports.h"

namespace pilotlight::agent {

// Asks each of its ports, within its network namespace, for a profile that does not exist: net/http/pprof
// answers 404 with "X-Go-Pprof: 1" (func (handler) ServeHTTP of net/http/pprof/pprof.go). Blocks for at most
// a second per port. NotFound when none of them is one; else as RunInNetworkOf().
absl::StatusOr<ListeningPort> FindPprofPort(pid_t pid, const std::string& proc_root = "/proc");

}  // namespace pilotlight::agent
