#include "agent/metrics/uplink_metrics.h"

namespace pilotlight::agent {

UplinkMetrics::UplinkMetrics(prometheus::Registry& registry)
    : spool_bytes_(AddGauges(registry, "pilotlight_uplink_spool_bytes", "Size of the windows on disk.")),
      spool_windows_(AddGauges(registry, "pilotlight_uplink_spool_windows",
                               "Windows that the collector has not acknowledged yet.")),
      memory_windows_(AddGauges(registry, "pilotlight_uplink_memory_windows",
                                "Windows of those that are only in memory, as the disk is full.")),
      dropped_windows_(AddCounters(registry, "pilotlight_uplink_dropped_windows_total",
                                   "Windows that the collector will never have.")),
      connected_(AddGauges(registry, "pilotlight_uplink_connected",
                           "1 while there is a stream to the collector, else 0.")),
      reconnects_(AddCounters(registry, "pilotlight_uplink_reconnects_total",
                              "Streams to the collector after the first.")),
      sent_windows_(AddCounters(registry, "pilotlight_uplink_sent_windows_total",
                                "Windows sent; those that were sent again count again.")),
      sent_bytes_(AddCounters(registry, "pilotlight_uplink_sent_bytes_total",
                              "Size of the messages sent, before compression.")),
      acknowledged_windows_(AddCounters(registry, "pilotlight_uplink_acknowledged_windows_total",
                                        "Windows that the collector has stored.")) {}

void UplinkMetrics::Update(const SpoolStats& spool, const UplinkStats& uplink) {
  MutexLock lock(mutex_);
  SetValue(spool_bytes_, spool.bytes);
  SetValue(spool_windows_, spool.windows);
  SetValue(memory_windows_, spool.memory_windows);
  for (const auto& [reason, windows] : spool.dropped_windows) {
    SetTotal(dropped_windows_, {{"reason", reason}}, windows);
  }
  SetValue(connected_, uplink.connected ? 1 : 0);
  SetTotal(reconnects_, {}, uplink.reconnects);
  SetTotal(sent_windows_, {}, uplink.sent_windows);
  SetTotal(sent_bytes_, {}, uplink.sent_bytes);
  SetTotal(acknowledged_windows_, {}, uplink.acknowledged_windows);
}

}  // namespace pilotlight::agent
