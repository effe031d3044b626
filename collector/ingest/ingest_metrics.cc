#include "collector/ingest/ingest_metrics.h"

#include <string>

namespace pilotlight::collector {
namespace {

prometheus::Family<prometheus::Counter>& Counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Gauge>& Gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

}  // namespace

absl::string_view ToString(BreakReason reason) {
  switch (reason) {
    case BreakReason::kNoHello:
      return "no_hello";
    case BreakReason::kGarbage:
      return "garbage";
    case BreakReason::kProtocol:
      return "protocol";
    case BreakReason::kDictionary:
      return "dictionary";
    case BreakReason::kStore:
      return "store";
    case BreakReason::kTenant:
      return "tenant";
    case BreakReason::kTooManyStreams:
      return "too_many_streams";
  }
  return "unknown";
}

IngestMetrics::IngestMetrics(prometheus::Registry& registry)
    : windows_(
          Counters(registry, "pilotlight_ingest_windows_total",
                   "Windows received from agents. stored and duplicate ones are acknowledged, refused ones "
                   "can never be accepted, failed ones will be sent again.")),
      refused_by_reason_(Counters(registry, "pilotlight_ingest_refused_windows_total",
                                  "Windows that can never be accepted, by reason.")),
      broken_(Counters(registry, "pilotlight_ingest_broken_streams_total",
                       "Streams that the collector ended before the agent did, by reason.")),
      tenant_bytes_(Counters(registry, "pilotlight_tenant_received_bytes_total",
                             "Messages and profiles received, in bytes after decompression, by tenant.")),
      tenant_limited_(
          Counters(registry, "pilotlight_tenant_limited_total",
                   "Messages after which an agent had to wait, and profiles that were refused, as "
                   "the tenant sent more than --tenants.max-bytes-per-second.")),
      refused_tenants_(Counters(registry, "pilotlight_tenants_refused_total",
                                "Windows and profiles of new tenants that could not be taken in.")
                           .Add({})),
      stored_(windows_.Add({{"outcome", "stored"}})),
      duplicate_(windows_.Add({{"outcome", "duplicate"}})),
      refused_(windows_.Add({{"outcome", "refused"}})),
      failed_(windows_.Add({{"outcome", "failed"}})),
      samples_(
          Counters(registry, "pilotlight_ingest_samples_total", "Samples in the stored windows.").Add({})),
      missing_(Counters(registry, "pilotlight_ingest_missing_windows_total",
                        "Gaps in the agents' window numbers: windows that were taken but never arrived.")
                   .Add({})),
      bytes_(Counters(registry, "pilotlight_ingest_received_bytes_total",
                      "Messages received from agents, in bytes after decompression.")
                 .Add({})),
      throttled_(Counters(registry, "pilotlight_ingest_throttled_messages_total",
                          "Messages after which an agent had to wait, as it sent more than it may.")
                     .Add({})),
      streams_(Gauges(registry, "pilotlight_ingest_streams", "Agents connected now.").Add({})),
      dictionary_bytes_(Gauges(registry, "pilotlight_ingest_dictionary_bytes",
                               "Memory that the dictionaries of all connected agents take.")
                            .Add({})),
      append_seconds_(prometheus::BuildHistogram()
                          .Name("pilotlight_ingest_append_duration_seconds")
                          .Help("Time to store one window durably.")
                          .Register(registry)
                          .Add({}, prometheus::Histogram::BucketBoundaries{0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                                           0.025, 0.05, 0.1, 0.25, 1, 5})) {
  for (const RefusalReason reason :
       {RefusalReason::kFuture, RefusalReason::kTooOld, RefusalReason::kInterval, RefusalReason::kLabels,
        RefusalReason::kNotDecodable, RefusalReason::kStore}) {
    refused_by_reason_.Add({{"reason", std::string(ToString(reason))}});
  }
  for (const BreakReason reason :
       {BreakReason::kNoHello, BreakReason::kGarbage, BreakReason::kProtocol, BreakReason::kDictionary,
        BreakReason::kStore, BreakReason::kTenant, BreakReason::kTooManyStreams}) {
    broken_.Add({{"reason", std::string(ToString(reason))}});
  }
}

TenantMetrics IngestMetrics::AddTenant(const std::string& tenant) {
  return {tenant_bytes_.Add({{"tenant", tenant}}), tenant_limited_.Add({{"tenant", tenant}})};
}

void IngestMetrics::Stored(uint64_t samples, absl::Duration append_time) {
  stored_.Increment();
  samples_.Increment(static_cast<double>(samples));
  append_seconds_.Observe(absl::ToDoubleSeconds(append_time));
}

void IngestMetrics::Refused(RefusalReason reason) {
  refused_.Increment();
  refused_by_reason_.Add({{"reason", std::string(ToString(reason))}}).Increment();
}

void IngestMetrics::Broken(BreakReason reason) {
  broken_.Add({{"reason", std::string(ToString(reason))}}).Increment();
}

}  // namespace pilotlight::collector
