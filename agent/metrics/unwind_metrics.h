// What Prometheus is told of unwinding by tables.
#pragma once

#include "agent/metrics/mirror.h"
#include "agent/unwind/unwind_stats.h"

namespace pilotlight::agent {

// Called by one thread; scrapes may run meanwhile.
class UnwindMetrics {
 public:
  explicit UnwindMetrics(prometheus::Registry& registry);

  void Update(const UnwindStats& stats);

 private:
  CounterFamily& tables_built_;
  CounterFamily& unusable_;
  CounterFamily& full_;
  CounterFamily& resets_;
  GaugeFamily& processes_;
  GaugeFamily& tables_;
  GaugeFamily& rows_;
  GaugeFamily& table_bytes_;
};

}  // namespace pilotlight::agent
