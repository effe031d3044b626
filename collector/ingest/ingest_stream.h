// One agent's stream without its transport: messages in, answers out (proto/pilotlight/v1/ingest.proto).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/clock.h"
#include "collector/ingest/ingest_limits.h"
#include "collector/ingest/ingest_metrics.h"
#include "collector/ingest/sequence_tracker.h"
#include "collector/store/profile_store.h"
#include "pilotlight/v1/ingest.pb.h"
#include "profile/wire.h"

namespace pilotlight::collector {

// What all streams share. Thread-safe.
class IngestContext {
 public:
  // The store, the clock and the metrics must outlive it. `on_stored` is called, in any thread, for each
  // window once it is durable, never for a duplicate.
  IngestContext(ProfileStore& store, const IngestLimits& limits, const Clock& clock, IngestMetrics& metrics,
                std::function<void(const Window&)> on_stored = {})
      : store_(store), limits_(limits), clock_(clock), metrics_(metrics), on_stored_(std::move(on_stored)) {}

  ProfileStore& store() { return store_; }
  const IngestLimits& limits() const { return limits_; }
  const Clock& clock() const { return clock_; }
  IngestMetrics& metrics() { return metrics_; }
  SequenceTracker& sequences() { return sequences_; }

  // A window is durable, after `append_time`.
  void Stored(const Window& window, absl::Duration append_time);

  // Replaces a stream's share in the memory of all dictionaries. False when the sum passes the limit.
  bool ChargeDictionary(size_t before, size_t after);
  // What a stream's dictionary may take: half of its part, as agents end a dictionary only once it is past
  // it.
  size_t DictionaryShare() const;
  // False when there are as many streams as allowed. Pairs with CloseStream().
  bool OpenStream();
  void CloseStream();

 private:
  ProfileStore& store_;
  const IngestLimits limits_;
  const Clock& clock_;
  IngestMetrics& metrics_;
  const std::function<void(const Window&)> on_stored_;
  SequenceTracker sequences_;
  std::atomic<size_t> dictionary_bytes_{0};
  std::atomic<size_t> streams_{0};
};

// Not thread-safe: the messages of one stream come one after another. A stream can hurt nobody but itself.
class IngestStream {
 public:
  struct Outcome {
    // To be sent, also when the stream ends.
    std::optional<v1::StreamResponse> response;
    // Not OK: the stream ends so, as ingest.proto says.
    absl::Status status;
  };

  explicit IngestStream(IngestContext& context);
  ~IngestStream();
  IngestStream(const IngestStream&) = delete;
  IngestStream& operator=(const IngestStream&) = delete;

  // `message_bytes` is the size of the request on the wire, decompressed.
  Outcome Receive(const v1::StreamRequest& request, size_t message_bytes);
  // For bytes that are no StreamRequest.
  Outcome ReceiveGarbage();

  // Empty before the hello.
  const std::string& agent() const { return agent_; }
  const std::string& version() const { return version_; }
  const std::string& node() const { return node_; }

 private:
  Outcome ReceiveHello(const v1::Hello& hello);
  Outcome ReceiveWindow(const v1::Window& message, size_t message_bytes);
  // The stream ends, and the window does not come again with the next one and end that as well.
  Outcome RefuseAndEnd(BreakReason reason, absl::Status status, const v1::Window& message);
  Outcome Store(const Window& window);
  // Accounts for what the dictionary takes now; false when all together take too much.
  bool ChargeDictionary();
  v1::StreamResponse Acknowledge(const Window& window) const;
  Outcome End(BreakReason reason, absl::Status status);

  IngestContext& context_;
  WindowDecoder decoder_;
  size_t charged_bytes_ = 0;
  bool has_decoded_ = false;
  std::string agent_;
  std::string version_;
  std::string node_;
};

}  // namespace pilotlight::collector
