// Lets only so many questions be answered at once: each may take much memory.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "collector/store/read_limits.h"

namespace pilotlight::collector {

// Thread-safe.
class QueryGate {
 public:
  // `max_of_tenant` is of each but the anonymous one.
  QueryGate(size_t max_concurrent, size_t max_of_tenant, absl::Duration patience)
      : max_concurrent_(max_concurrent), max_of_tenant_(max_of_tenant), patience_(patience) {}

  // Waits for a place. ResourceExhausted after `patience`, else as CheckInTime(). When OK it is to be paired
  // with Leave().
  absl::Status Enter(const ReadLimits& limits, const std::string& tenant);
  void Leave(const std::string& tenant);

 private:
  bool IsFull(const std::string& tenant) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_concurrent_;
  const size_t max_of_tenant_;
  const absl::Duration patience_;
  Mutex mutex_;
  CondVar left_;
  size_t inside_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, size_t> inside_of_tenant_ ABSL_GUARDED_BY(mutex_);
};

// Leaves the gate that was entered.
class QueryPlace {
 public:
  QueryPlace(QueryGate& gate, std::string tenant) : gate_(gate), tenant_(std::move(tenant)) {}
  ~QueryPlace() { gate_.Leave(tenant_); }
  QueryPlace(const QueryPlace&) = delete;
  QueryPlace& operator=(const QueryPlace&) = delete;

 private:
  QueryGate& gate_;
  const std::string tenant_;
};

}  // namespace pilotlight::collector
