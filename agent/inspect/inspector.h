// Inspections for others: in a thread of its own, one at a time, and not too often.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "agent/inspect/inspection.h"
#include "base/mutex.h"

namespace pilotlight::agent {

class Inspector {
 public:
  using Done = std::function<void(const Inspection&)>;

  explicit Inspector(std::function<Inspection()> inspect, absl::Duration min_interval = absl::Seconds(10))
      : inspect_(std::move(inspect)), min_interval_(absl::ToChronoNanoseconds(min_interval)) {}
  // Waits for the one that is going on.
  ~Inspector();

  // Thread-safe. Calls `done` once, here or in the inspector's thread, with an inspection that is not older
  // than `min_interval`.
  void Inspect(Done done);

 private:
  void Run();

  const std::function<Inspection()> inspect_;
  const std::chrono::nanoseconds min_interval_;

  Mutex mutex_;
  std::vector<Done> waiting_ ABSL_GUARDED_BY(mutex_);  // not empty: the thread is at work
  std::optional<Inspection> last_ ABSL_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point last_time_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::agent
