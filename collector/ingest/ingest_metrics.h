// The collector's own metrics of what agents send.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/ingest/window_checks.h"

namespace pilotlight::collector {

// Why a stream was ended by the collector; the label `reason`.
enum class BreakReason { kNoHello, kGarbage, kProtocol, kDictionary, kStore, kTenant, kTooManyStreams };
absl::string_view ToString(BreakReason reason);

// Of one tenant.
struct TenantMetrics {
  prometheus::Counter& bytes;
  prometheus::Counter& limited;
};

// Thread-safe. All label values exist from the start, so that a rate never misses its first increase.
class IngestMetrics {
 public:
  explicit IngestMetrics(prometheus::Registry& registry);

  void Stored(uint64_t samples, absl::Duration append_time);
  void Duplicate() { duplicate_.Increment(); }
  void Failed() { failed_.Increment(); }
  void Refused(RefusalReason reason);
  void Missing(uint64_t windows) { missing_.Increment(static_cast<double>(windows)); }
  void StreamOpened() { streams_.Increment(); }
  void StreamClosed() { streams_.Decrement(); }
  void Broken(BreakReason reason);
  void Throttled() { throttled_.Increment(); }
  void ReceivedBytes(uint64_t bytes) { bytes_.Increment(static_cast<double>(bytes)); }
  TenantMetrics AddTenant(const std::string& tenant);
  void TenantRefused() { refused_tenants_.Increment(); }
  void SetDictionaryBytes(uint64_t bytes) { dictionary_bytes_.Set(static_cast<double>(bytes)); }

 private:
  prometheus::Family<prometheus::Counter>& windows_;
  prometheus::Family<prometheus::Counter>& refused_by_reason_;
  prometheus::Family<prometheus::Counter>& broken_;
  prometheus::Family<prometheus::Counter>& tenant_bytes_;
  prometheus::Family<prometheus::Counter>& tenant_limited_;
  prometheus::Counter& refused_tenants_;
  prometheus::Counter& stored_;
  prometheus::Counter& duplicate_;
  prometheus::Counter& refused_;
  prometheus::Counter& failed_;
  prometheus::Counter& samples_;
  prometheus::Counter& missing_;
  prometheus::Counter& bytes_;
  prometheus::Counter& throttled_;
  prometheus::Gauge& streams_;
  prometheus::Gauge& dictionary_bytes_;
  prometheus::Histogram& append_seconds_;
};

}  // namespace pilotlight::collector
