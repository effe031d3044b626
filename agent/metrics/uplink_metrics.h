// What Prometheus is told of the way to the collector.
#pragma once

#include "agent/metrics/mirror.h"
#include "agent/uplink/spool.h"
#include "agent/uplink/uplink.h"
#include "base/mutex.h"

namespace pilotlight::agent {

// Thread-safe.
class UplinkMetrics {
 public:
  explicit UplinkMetrics(prometheus::Registry& registry);

  void Update(const SpoolStats& spool, const UplinkStats& uplink);

 private:
  Mutex mutex_;
  GaugeFamily& spool_bytes_;
  GaugeFamily& spool_windows_;
  GaugeFamily& memory_windows_;
  CounterFamily& dropped_windows_;
  GaugeFamily& connected_;
  CounterFamily& reconnects_;
  CounterFamily& sent_windows_;
  CounterFamily& sent_bytes_;
  CounterFamily& acknowledged_windows_;
};

}  // namespace pilotlight::agent
