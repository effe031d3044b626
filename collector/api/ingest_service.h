// The Ingest service over gRPC's callback API: an idle agent costs no thread, and the work is done by a pool.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/api/caller.h"
#include "collector/ingest/ingest_stream.h"
#include "pilotlight/v1/command.pb.h"

namespace grpc {
class Service;
}

namespace pilotlight::collector {

struct ConnectedAgent {
  std::string tenant;
  std::string agent;
  std::string version;
  std::string node;
  absl::Time since;
};

using CommandDone = std::function<void(const absl::StatusOr<v1::CommandResult>&)>;

class IngestService {
 public:
  // `context` must outlive it; so must this the server that the service is registered with. `admit` is
  // asked at each message whether the stream's token is still good for it.
  IngestService(IngestContext& context, size_t threads, AdmitCall admit);
  ~IngestService();

  grpc::Service& service();

  // Both thread-safe, of the agents of one tenant. By node, then agent.
  std::vector<ConnectedAgent> agents(const std::string& tenant);
  // Asks that of the node's agents that connected last. `done` is called once, in any thread, with the
  // agent's result or an error: NotFound, ResourceExhausted when too many wait for an answer, Unavailable
  // when the agent has gone.
  void Ask(const std::string& tenant, const std::string& node, const v1::Command& command,
           const CommandDone& done);

  // Ends all streams, and those to come, with UNAVAILABLE, each after the window it is just storing. False
  // when some are still there after `patience`.
  bool Stop(absl::Duration patience);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pilotlight::collector
