// Docker, asked by its Engine API over its socket.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/containers/container.h"
#include "base/stop_signal.h"

namespace pilotlight::agent {

// The answer of GET /containers/json for one container, which has no environment. NotFound when it has no
// container, InvalidArgument when it is no such answer.
absl::StatusOr<Container> ParseDockerContainers(absl::string_view json);

// Finds containers that run.
class DockerRuntime : public ContainerRuntime {
 public:
  explicit DockerRuntime(std::string socket, absl::Duration timeout = absl::Seconds(2))
      : socket_(std::move(socket)), timeout_(timeout) {}

  absl::StatusOr<Container> Find(const std::string& id) override;

 private:
  // Names who says so.
  absl::Status Error(const absl::Status& status) const;

  const std::string socket_;
  const absl::Duration timeout_;
  const StopSignal never_;
};

}  // namespace pilotlight::agent
