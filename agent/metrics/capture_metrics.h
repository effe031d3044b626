// What Prometheus is told of the captures: how many windows, what was lost, what it costs.
#pragma once

#include <string>
#include <vector>

#include "agent/metrics/mirror.h"
#include "agent/metrics/target_metrics.h"
#include "agent/schedule/capture_loop.h"

namespace pilotlight::agent {

// Called by one thread; scrapes may run meanwhile.
class CaptureMetrics : public TurnObserver {
 public:
  // `registry` and `targets` must outlive it. `cpus`: of the node.
  CaptureMetrics(const std::vector<std::string>& sources, int cpus, TargetMetrics& targets,
                 prometheus::Registry& registry);

  void OnTurn(const TurnReport& report) override;

 private:
  const int cpus_;
  TargetMetrics& targets_;
  CounterFamily& windows_;
  CounterFamily& samples_;
  CounterFamily& kernel_seconds_;
  CounterFamily& lost_samples_;
  CounterFamily& vanished_processes_;
  CounterFamily& vanished_samples_;
  CounterFamily& broken_samples_;
  CounterFamily& dropped_samples_;
  CounterFamily& triggers_;
  GaugeFamily& overhead_ratio_;
  GaugeFamily& throttle_;
  GaugeFamily& frequency_;
  GaugeFamily& duration_;
  GaugeFamily& window_end_;
};

}  // namespace pilotlight::agent
