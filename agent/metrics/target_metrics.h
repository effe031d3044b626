// What Prometheus is told of each target: counters over the agent's life, gauges of the last window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/gc/go_memstats.h"
#include "agent/insight/series_insight.h"
#include "agent/stop_the_world/bpf/stop_the_world_abi.h"
#include "profile/profile.h"

namespace prometheus {
class Counter;
class Gauge;
class Registry;
}  // namespace prometheus

namespace pilotlight::agent {

struct TargetMetricsOptions {
  // Beyond it new targets are not shown, their samples are counted in
  // pilotlight_metric_overflow_samples_total. A Go target has some 55 series, others 9.
  size_t max_targets = 1000;
  // A target's series end after so many windows without a sample of it.
  int windows_until_gone = 5;
};

// A target is one (service, namespace, pod, container); series of a window that differ only in other labels
// are added up. It belongs to the capture source that saw it first, until it is gone: what another source
// sees of it would be counted twice. Not thread-safe; scrapes may run meanwhile.
class TargetMetrics {
 public:
  // `registry` must outlive it.
  TargetMetrics(const TargetMetricsOptions& options, prometheus::Registry& registry);
  ~TargetMetrics();

  // `insights` has one entry per series of `window`.
  void Update(const Window& window, const std::vector<SeriesInsight>& insights);
  // Of one process of a target that Update() has been told of. What it has for targets without metrics is
  // left out.
  void AddGcPauses(const Labels& labels, const GcPauses& pauses);
  void AddStops(const Labels& labels, const pl_stop_the_world& stops);
  size_t size() const { return targets_.size(); }

 private:
  struct Families;
  struct Target;
  using Key = std::map<std::string, std::string>;

  const TargetMetricsOptions options_;
  std::unique_ptr<Families> families_;
  std::map<Key, std::unique_ptr<Target>> targets_;
};

}  // namespace pilotlight::agent
