// What the parts of the embedded store count; EmbeddedStoreCounters says what each means.
#pragma once

#include <atomic>
#include <cstdint>

#include "collector/store/embedded/overflow_counts.h"

namespace pilotlight::collector {

struct StoreCounters {
  std::atomic<uint64_t> appended_windows{0};
  std::atomic<uint64_t> appended_series{0};
  std::atomic<uint64_t> duplicate_windows{0};
  std::atomic<uint64_t> missing_windows{0};
  std::atomic<uint64_t> refused_windows{0};
  std::atomic<uint64_t> failed_writes{0};
  std::atomic<uint64_t> commits{0};
  std::atomic<uint64_t> corrupt_records{0};
  std::atomic<uint64_t> forgotten_boots{0};
  std::atomic<uint64_t> summed_spans{0};
  std::atomic<uint64_t> unsummed_spans{0};
  std::atomic<uint64_t> size_retentions{0};
  std::atomic<uint64_t> read_bytes{0};
  OverflowCounts overflow;
};

}  // namespace pilotlight::collector
