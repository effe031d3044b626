// The agents of a made-up fleet, connected to a collector: each has a connection and an ingest stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/client_access.h"
#include "base/mutex.h"
#include "tests/load/fleet_windows.h"

namespace pilotlight::load {

struct FleetConnection {
  std::string collector;     // host:port
  bool compress = true;      // with zlib, as agents do
  size_t max_in_flight = 8;  // windows of an agent, not yet answered
  ClientSecrets secrets;     // TLS with its authorities when it has any, and the token
};

// Light, because it runs beside the collector: gRPC's callback threads make, send and answer everything.
class Fleet {
 public:
  // `windows` must outlive it. `acknowledged` has the number of each agent's last window that an earlier
  // fleet saw acknowledged; empty: none was sent yet.
  Fleet(const FleetWindows& windows, const FleetConnection& connection,
        std::vector<uint64_t> acknowledged = {});
  ~Fleet();  // breaks the connections
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Sends each agent's windows up to number `last`, as fast as they are acknowledged. Not OK when a stream
  // ended or a window was refused.
  absl::Status SendUpTo(uint64_t last);
  // The same, but one window of each agent per interval, each agent at its own phase of it. It takes one
  // interval for each window that is new.
  absl::Status SendInStep(uint64_t last, absl::Duration interval);
  // What follows may be called from another thread meanwhile.
  // What the collector can spare for an agent's dictionary, as it told last.
  uint64_t max_dictionary_bytes() const;
  // The number of each agent's last window that was acknowledged.
  std::vector<uint64_t> acknowledged() const;
  uint64_t acknowledged_profiles() const;
  uint64_t sent_bytes() const;  // before compression
  // From the making of a window to its acknowledgement, since the last call.
  std::vector<absl::Duration> TakeAcknowledgementTimes();

 private:
  class Agent;

  absl::Status WaitUntilIdle();
  void OneIsBusy();
  void OneIsIdle();

  const FleetWindows& windows_;
  const FleetConnection connection_;
  std::vector<std::unique_ptr<Agent>> agents_;
  uint64_t in_step_ = 0;  // windows that SendInStep() has sent

  Mutex mutex_;
  CondVar changed_;
  size_t busy_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pilotlight::load
