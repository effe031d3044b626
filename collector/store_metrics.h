// The embedded store's counters as metrics.
#pragma once

#include <memory>

#include "collector/store/embedded/embedded_store.h"

namespace prometheus {
class Registry;
}

namespace pilotlight::collector {

class StoreMetrics {
 public:
  // The store must outlive it.
  StoreMetrics(const EmbeddedStore& store, prometheus::Registry& registry);
  ~StoreMetrics();

  // Thread-safe. Brings the metrics up to the store's counters.
  void Update();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pilotlight::collector
