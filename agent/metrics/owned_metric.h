// A metric that leaves its family with its owner.
#pragma once

#include <prometheus/family.h>

#include <utility>

#include "base/check.h"

namespace pilotlight::agent {

// Empty until Add(). REQUIRES: the family outlives it.
template <typename Metric>
class OwnedMetric {
 public:
  OwnedMetric() = default;
  ~OwnedMetric() { Remove(); }
  OwnedMetric(const OwnedMetric&) = delete;
  OwnedMetric& operator=(const OwnedMetric&) = delete;

  // Nothing happens when it is there. `arguments`: the metric's own, as a histogram's buckets.
  // REQUIRES: no other metric of the family has the same labels.
  template <typename... Arguments>
  void Add(prometheus::Family<Metric>& family, const prometheus::Labels& labels,
           const Arguments&... arguments) {
    if (metric_ != nullptr) return;
    family_ = &family;
    metric_ = &family.Add(labels, arguments...);
  }
  void Remove() {
    if (metric_ == nullptr) return;
    family_->Remove(metric_);
    metric_ = nullptr;
  }

  Metric* operator->() {
    CHECK(metric_ != nullptr);
    return metric_;
  }

 private:
  prometheus::Family<Metric>* family_ = nullptr;
  Metric* metric_ = nullptr;
};

}  // namespace pilotlight::agent
