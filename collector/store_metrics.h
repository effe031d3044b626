// The embedded stores' counters as metrics: sums over all tenants, and what each one takes.
#pragma once

#include <memory>

#include "collector/store/embedded/embedded_stores.h"

namespace prometheus {
class Registry;
}

namespace pilotlight::collector {

class StoreMetrics {
 public:
  // The stores must outlive it.
  StoreMetrics(EmbeddedStores& stores, prometheus::Registry& registry);
  ~StoreMetrics();

  // Thread-safe. Brings the metrics up to the stores' counters.
  void Update();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pilotlight::collector
