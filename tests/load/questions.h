// Asks a collector what people ask it, and takes the time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "tests/support/collector_client.h"

namespace pilotlight::load {

class Questions {
 public:
  // Spans end at `end`.
  Questions(int port, absl::Time end) : client_(port), end_(end) {}

  absl::Status FlameGraph(const std::string& selector, absl::Duration span);
  // By service.
  absl::Status CpuSeries(absl::Duration span, absl::Duration step);

  // Samples in the last flame graph.
  uint64_t samples() const { return samples_; }

 private:
  void Select(const std::string& selector, absl::Duration span, v1::Selection& selection) const;

  QueryClient client_;
  const absl::Time end_;
  uint64_t samples_ = 0;
};

// Asks so many questions a second from now on, also when the answers are late; until it is destroyed.
// Flame graphs of one service and of all, of a quarter of an hour and an hour, and a series.
class SteadyQuestions {
 public:
  SteadyQuestions(int port, absl::Time end, int per_second);
  ~SteadyQuestions();

  struct Answers {
    std::vector<absl::Duration> times;
    absl::Status status;  // of the first that failed
  };
  Answers Stop();

 private:
  void Ask(int port, absl::Time end, int first, int step, int per_second);

  const absl::Time start_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
  Mutex mutex_;
  Answers answers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::load
