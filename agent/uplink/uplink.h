// Brings the spool's windows to the collector: one gRPC stream (proto/pilotlight/v1/ingest.proto), one
// thread.
//
// Windows go out in the spool's order, up to `max_in_flight` ahead of their acknowledgements. When the stream
// breaks, the next one begins again with the oldest that is not acknowledged. The thread sleeps until there
// is a window, an answer or a deadline. A peer that died unseen is noticed by the missing acknowledgement, so
// the idle connection needs no keep-alive pings. What is left while idle is gRPC's own: its timer threads
// tick once a second, with or without a connection, for 0.015 % of a core (measured with gRPC 1.51). Closing
// gRPC between windows would save half of that and cost a connection and the whole dictionary each minute.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/uplink/spool.h"
#include "base/client_access.h"

namespace pilotlight {
namespace v1 {
class Command;
class CommandResult;
}  // namespace v1

namespace agent {

// To be called once, in any thread and at any time; the result's id is set by the callee. It goes to who
// asked, if the stream is still there.
using CommandDone = std::function<void(v1::CommandResult)>;

struct UplinkOptions {
  std::string collector;  // HOST:PORT, or a gRPC name such as dns:///HOST:PORT or unix:/PATH
  ClientAccess access;    // its files are read for each stream
  std::string version;    // of the agent's program
  std::string node;       // its machine
  // What somebody asks of the agent through the collector. In the uplink's thread; must be quick.
  std::function<void(const v1::Command&, CommandDone)> on_command;
  size_t max_in_flight = 16;
  // The stream's dictionary starts anew past this, or past what the collector can spare for it; with one more
  // window it is well below the 64 MiB that the collector allows.
  size_t max_dictionary_bytes = size_t{24} << 20;
  // A window at whose turn the collector broke the stream this many times is set aside, reason refused.
  int max_breaks = 3;
  // The wait after a broken stream; doubled each time, less a random half of it, back to the first when a
  // window was answered.
  absl::Duration min_backoff = absl::Milliseconds(500);
  absl::Duration max_backoff = absl::Seconds(30);
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration answer_timeout = absl::Seconds(60);  // without any answer while windows are in flight
};

struct UplinkStats {
  bool connected = false;
  uint64_t reconnects = 0;    // streams after the first
  uint64_t sent_windows = 0;  // resent ones count again
  uint64_t sent_bytes = 0;    // of messages, before compression
  uint64_t acknowledged_windows = 0;
  uint64_t refused_windows = 0;  // by the collector's answer, or set aside after `max_breaks`
  std::string last_error;        // for people; empty while connected
};

class Uplink {
 public:
  // InvalidArgument when the collector's address cannot be one. `spool` must outlive the uplink.
  static absl::StatusOr<std::unique_ptr<Uplink>> Create(const UplinkOptions& options, Spool& spool);
  // Stops at once, without sending what is left.
  ~Uplink();

  // Connects, now and whenever the stream breaks. Once only.
  void Start();
  // Sends what is left for at most `flush`, a single try when the collector is away. The rest stays in the
  // spool. Afterwards nothing is sent any more. Only the first call counts.
  void Stop(absl::Duration flush);

  // Thread-safe.
  UplinkStats stats() const;

 private:
  class Sender;  // keeps gRPC out of this header
  explicit Uplink(std::unique_ptr<Sender> sender);
  std::unique_ptr<Sender> sender_;
};

}  // namespace agent
}  // namespace pilotlight
