// Numbers that others count, shown as Prometheus metrics.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <string>

namespace pilotlight::agent {

using CounterFamily = prometheus::Family<prometheus::Counter>;
using GaugeFamily = prometheus::Family<prometheus::Gauge>;

inline CounterFamily& AddCounters(prometheus::Registry& registry, const std::string& name,
                                  const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
inline GaugeFamily& AddGauges(prometheus::Registry& registry, const std::string& name,
                              const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

// Raises the counter to `total`. REQUIRES: one thread at a time.
template <typename Number>
void SetTotal(CounterFamily& family, const prometheus::Labels& labels, Number total) {
  prometheus::Counter& counter = family.Add(labels);
  counter.Increment(std::max(0.0, static_cast<double>(total) - counter.Value()));
}

template <typename Number>
void SetValue(GaugeFamily& family, Number value) {
  family.Add({}).Set(static_cast<double>(value));
}

}  // namespace pilotlight::agent
