// One agent's stream without its transport: messages in, answers out (proto/pilotlight/v1/ingest.proto).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/tenant_name.h"
#include "collector/ingest/byte_budget.h"
#include "collector/ingest/ingest_limits.h"
#include "collector/ingest/ingest_metrics.h"
#include "collector/ingest/sequence_tracker.h"
#include "collector/store/profile_stores.h"
#include "pilotlight/v1/ingest.pb.h"
#include "profile/wire.h"

namespace pilotlight::collector {

// What the streams and pushes of one tenant share. Thread-safe.
class TenantIngest {
 public:
  // The store and what the metrics refer to must outlive it.
  TenantIngest(std::string name, ProfileStore& store, size_t max_bytes_per_second,
               const TenantMetrics& metrics)
      : name_(std::move(name)), store_(store), metrics_(metrics), budget_(max_bytes_per_second) {}

  const std::string& name() const { return name_; }
  ProfileStore& store() { return store_; }
  SequenceTracker& sequences() { return sequences_; }

  // How long a stream is to wait that has brought so much.
  absl::Duration Receive(size_t bytes);
  // ResourceExhausted when a profile is not to be taken now.
  absl::Status ReceivePush(size_t bytes);

  // The numbers of one boot must reach the store in order, so each lane stores one window at a time; several
  // of them share a sync of the disk.
  struct PushLane {
    Mutex mutex;
    uint64_t last_sequence ABSL_GUARDED_BY(mutex) = 0;
  };
  // Another one each time, and its number.
  std::pair<PushLane*, size_t> NextPushLane();

 private:
  const std::string name_;
  ProfileStore& store_;
  const TenantMetrics metrics_;
  SequenceTracker sequences_;
  std::array<PushLane, 8> push_lanes_;
  std::atomic<size_t> next_push_lane_{0};
  Mutex mutex_;
  ByteBudget budget_ ABSL_GUARDED_BY(mutex_);
};

// What all streams share. Thread-safe.
class IngestContext {
 public:
  // The stores, the clock and the metrics must outlive it. `on_stored` is called, in any thread, for each
  // window once it is durable, never for a duplicate.
  using OnStored = std::function<void(const std::string& tenant, const Window&)>;
  IngestContext(ProfileStores& stores, const IngestLimits& limits, const Clock& clock, IngestMetrics& metrics,
                OnStored on_stored = {})
      : stores_(stores),
        limits_(limits),
        clock_(clock),
        metrics_(metrics),
        on_stored_(std::move(on_stored)) {}

  const IngestLimits& limits() const { return limits_; }
  const Clock& clock() const { return clock_; }
  IngestMetrics& metrics() { return metrics_; }

  // For who has something to store. ResourceExhausted when there are too many, else the store's errors.
  absl::StatusOr<TenantIngest*> FindTenant(const std::string& name);

  // A window is durable, after `append_time`.
  void Stored(const TenantIngest& tenant, const Window& window, absl::Duration append_time);

  // Replaces a stream's share in the memory of all dictionaries. False when the sum passes the limit.
  bool ChargeDictionary(size_t before, size_t after);
  // What a stream's dictionary may take: half of its part, as agents end a dictionary only once it is past
  // it.
  size_t DictionaryShare() const;
  // False when there are as many streams as allowed. Pairs with CloseStream().
  bool OpenStream();
  void CloseStream();

 private:
  ProfileStores& stores_;
  const IngestLimits limits_;
  const Clock& clock_;
  IngestMetrics& metrics_;
  const OnStored on_stored_;
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<TenantIngest>> tenants_ ABSL_GUARDED_BY(mutex_);
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
    // Before more is read.
    absl::Duration wait;
  };

  explicit IngestStream(IngestContext& context, std::string tenant = std::string(kAnonymousTenant));
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
  Outcome StoreWindow(const v1::Window& message, size_t message_bytes);
  // The stream ends, and the window does not come again with the next one and end that as well.
  Outcome RefuseAndEnd(BreakReason reason, absl::Status status, const v1::Window& message);
  Outcome Store(const Window& window);
  // Accounts for what the dictionary takes now; false when all together take too much.
  bool ChargeDictionary();
  v1::StreamResponse Acknowledge(const Window& window) const;
  Outcome End(BreakReason reason, absl::Status status);

  IngestContext& context_;
  const std::string tenant_name_;
  TenantIngest* tenant_ = nullptr;  // null before the first window
  WindowDecoder decoder_;
  size_t charged_bytes_ = 0;
  bool has_decoded_ = false;
  std::string agent_;
  std::string version_;
  std::string node_;
};

}  // namespace pilotlight::collector
