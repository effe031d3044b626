// The records of a perf event's ring buffer, as perf_event_open(2) describes them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <variant>

#include "absl/types/span.h"
#include "agent/capture/stack_aggregator.h"

namespace pilotlight::agent {

// PERF_RECORD_SAMPLE with PERF_SAMPLE_TID and PERF_SAMPLE_CALLCHAIN. The frames are borrowed from the record.
struct PerfSample {
  pid_t pid = 0;  // 0: of another pid namespace; -1: has just exited
  StackView stack;
};

// PERF_RECORD_LOST: so many records found no room in the ring buffer.
struct PerfLost {
  uint64_t records = 0;
};

struct PerfOther {};      // of a kind that is not looked at
struct PerfMalformed {};  // shorter than its kind needs

using PerfRecord = std::variant<PerfSample, PerfLost, PerfOther, PerfMalformed>;

// `record` is one whole record with its header. A call chain of `frame_limit` frames counts as truncated.
PerfRecord ParsePerfRecord(absl::Span<const uint64_t> record, uint32_t frame_limit);

}  // namespace pilotlight::agent
