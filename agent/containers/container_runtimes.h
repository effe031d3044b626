// All runtimes of a node, asked one after the other.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/containers/container.h"

namespace pilotlight::agent {

inline constexpr absl::string_view kAutoEndpoint = "auto";

// Where they listen.
struct RuntimeSockets {
  std::vector<std::string> cri;  // containerd and CRI-O; the first that is there is used
  std::string docker;            // may be empty

  friend bool operator==(const RuntimeSockets&, const RuntimeSockets&) = default;
};

// What `endpoint` stands for: for "auto" the paths that runtimes use by themselves, none for an empty one,
// else a path of CRI, also as "unix:///path", or of Docker as "docker:///path". InvalidArgument when it is
// none of these.
absl::StatusOr<RuntimeSockets> ParseRuntimeEndpoint(absl::string_view endpoint);

// The first of them that knows a container has it. When none does, the failure that tells most: that of one
// that does not answer, before that of one that does not know the container, before that there is none.
class ContainerRuntimes : public ContainerRuntime {
 public:
  // REQUIRES: there is one.
  explicit ContainerRuntimes(std::vector<std::unique_ptr<ContainerRuntime>> runtimes)
      : runtimes_(std::move(runtimes)) {}

  absl::StatusOr<Container> Find(const std::string& id) override;

 private:
  const std::vector<std::unique_ptr<ContainerRuntime>> runtimes_;
};

// nullptr when there are no sockets.
std::unique_ptr<ContainerRuntime> MakeContainerRuntime(const RuntimeSockets& sockets);

}  // namespace pilotlight::agent
