// What Prometheus is told of the search for names.
#pragma once

#include "agent/metrics/mirror.h"
#include "agent/symbolize/symbolizer_stats.h"

namespace pilotlight::agent {

// Called by one thread; scrapes may run meanwhile.
class SymbolMetrics {
 public:
  explicit SymbolMetrics(prometheus::Registry& registry);

  void Update(const SymbolizerStats& stats);

 private:
  CounterFamily& addresses_;
  CounterFamily& resets_;
  CounterFamily& binaries_;
  CounterFamily& unusable_;
  CounterFamily& unnamed_;
  GaugeFamily& cached_addresses_;
  GaugeFamily& cached_binaries_;
  GaugeFamily& cached_bytes_;
};

}  // namespace pilotlight::agent
