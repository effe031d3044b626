// Lets only so many questions be answered at once: each may take much memory.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "collector/store/read_limits.h"

namespace pilotlight::collector {

// Thread-safe.
class QueryGate {
 public:
  QueryGate(size_t max_concurrent, absl::Duration patience)
      : max_concurrent_(max_concurrent), patience_(patience) {}

  // Waits for a place. ResourceExhausted after `patience`, else as CheckInTime(). When OK it is to be paired
  // with Leave().
  absl::Status Enter(const ReadLimits& limits);
  void Leave();

 private:
  const size_t max_concurrent_;
  const absl::Duration patience_;
  Mutex mutex_;
  CondVar left_;
  size_t inside_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Leaves the gate that was entered.
class QueryPlace {
 public:
  explicit QueryPlace(QueryGate& gate) : gate_(gate) {}
  ~QueryPlace() { gate_.Leave(); }
  QueryPlace(const QueryPlace&) = delete;
  QueryPlace& operator=(const QueryPlace&) = delete;

 private:
  QueryGate& gate_;
};

}  // namespace pilotlight::collector
