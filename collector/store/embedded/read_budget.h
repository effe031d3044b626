// What one question has read, and whether it may read on.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "collector/store/embedded/store_counters.h"
#include "collector/store/read_limits.h"

namespace pilotlight::collector {

// Thread-safe: shared by the threads that answer the question.
class ReadBudget {
 public:
  // Both must outlive it.
  ReadBudget(const ReadLimits& limits, StoreCounters& counters) : limits_(limits), counters_(counters) {}
  ~ReadBudget() { counters_.read_bytes += bytes_; }
  ReadBudget(const ReadBudget&) = delete;
  ReadBudget& operator=(const ReadBudget&) = delete;

  // After each record; false when the reading is to end. Looks at the clock and for the caller only every
  // kCheckBytes.
  bool Spend(uint64_t bytes) {
    const uint64_t before = bytes_.fetch_add(bytes, std::memory_order_relaxed);
    const uint64_t after = before + bytes;
    if (after <= limits_.max_bytes && before / kCheckBytes == after / kCheckBytes) return !ended();
    return Check();
  }
  // The same before each block, always with a look.
  bool Check();
  // OK, or why it ended.
  absl::Status status() const;

 private:
  // Read and added up in about a millisecond.
  static constexpr uint64_t kCheckBytes = uint64_t{256} << 10;
  bool ended() const { return ended_.load(std::memory_order_relaxed); }

  const ReadLimits& limits_;
  StoreCounters& counters_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<bool> ended_{false};
  mutable Mutex mutex_;  // one look at a time
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::collector
