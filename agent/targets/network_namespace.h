// The network as a process of the node sees it: that of its pod.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace pilotlight::agent {

// Runs `work` in a thread of its own whose sockets are in the network namespace of `pid`, and waits for it.
// Not run with NotFound when the process is gone, and PermissionDenied without CAP_SYS_ADMIN or the right to
// look at the process (setns(2)), unless it has our own namespace.
absl::Status RunInNetworkOf(pid_t pid, const std::function<void()>& work,
                            const std::string& proc_root = "/proc");

}  // namespace pilotlight::agent
