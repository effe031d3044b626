// containerd and CRI-O, asked by the Container Runtime Interface over their socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/containers/container.h"

namespace grpc {
class Channel;
}

namespace pilotlight::agent {

// Uses the first of its sockets that is there at the moment.
class CriRuntime : public ContainerRuntime {
 public:
  // `timeout` is of all that Find() asks.
  explicit CriRuntime(std::vector<std::string> sockets, absl::Duration timeout = absl::Seconds(2))
      : sockets_(std::move(sockets)), timeout_(timeout) {}

  absl::StatusOr<Container> Find(const std::string& id) override;

 private:
  // FailedPrecondition without one.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect();

  const std::vector<std::string> sockets_;
  const absl::Duration timeout_;
  std::string socket_;  // that `channel_` is to
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace pilotlight::agent
