// The Ingest service over gRPC's callback API: an idle agent costs no thread, and the work is done by a pool.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "collector/ingest/ingest_stream.h"

namespace grpc {
class Service;
}

namespace pilotlight::collector {

struct ConnectedAgent {
  std::string agent;
  std::string version;
  std::string node;
  absl::Time since;
};

class IngestService {
 public:
  // `context` must outlive it; so must this the server that the service is registered with.
  IngestService(IngestContext& context, size_t threads);
  ~IngestService();

  grpc::Service& service();

  // Both thread-safe. By node, then agent.
  std::vector<ConnectedAgent> agents();
  // Asks the node's agents for an extra capture. Returns how many there are.
  size_t RequestCapture(const std::string& node, absl::Duration duration);

  // Ends all streams, and those to come, with UNAVAILABLE, each after the window it is just storing. False
  // when some are still there after `patience`.
  bool Stop(absl::Duration patience);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pilotlight::collector
