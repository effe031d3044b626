// A fixed number of threads that run what is handed to them, in that order.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace pilotlight::collector {

// Thread-safe. The queue has no limit of its own: each stream hands over at most one message at a time, and
// the number of streams is limited.
class WorkerPool {
 public:
  explicit WorkerPool(size_t threads);
  // Runs what is queued, then ends.
  ~WorkerPool();

  void Run(std::function<void()> work);

 private:
  void Work();

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace pilotlight::collector
