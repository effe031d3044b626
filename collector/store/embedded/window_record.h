// What one block keeps of one window: per series two columns of small integers, and what a query needs to
// know without reading them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight::collector {

// A series as it is written: its number in the block, and samples sorted by node without repetition.
struct RecordedSeries {
  uint32_t id = 0;
  int64_t period = 0;
  LossCounters loss;
  std::vector<Sample> samples;
};

// The record's layout, in varints unless said otherwise:
//
//   duration, interval − duration (ns, zigzag)
//   number of series; then for each, in the order of their ids:
//     id − the id before; flags (bit 0: the values column is there); period (zigzag)
//     loss: lost samples, truncated stacks, frames, unsymbolized frames
//     total count; total value (zigzag)
//     number of samples; bytes of the node, count and, when there, value columns
//     nodes: difference to the node before; counts; values (zigzag), left out when all are count × period
//
// REQUIRES: ids ascend.
std::string EncodeWindowRecord(int64_t duration_ns, int64_t interval_ns,
                               const std::vector<RecordedSeries>& series);

// A series in a record; the columns are views of the record's bytes.
struct SeriesInRecord {
  uint32_t id = 0;
  int64_t period = 0;
  LossCounters loss;
  ProfileTotals total;
  size_t sample_count = 0;
  bool has_values = false;
  absl::string_view nodes;
  absl::string_view counts;
  absl::string_view values;
};

struct WindowRecord {
  int64_t duration_ns = 0;
  int64_t interval_ns = 0;
  std::vector<SeriesInRecord> series;
};

// False when the bytes are no such record. `record` may be reused from one call to the next.
bool ParseWindowRecord(absl::string_view bytes, WindowRecord& record);

// Appends the samples; false when the columns are broken, `samples` is then as before.
bool DecodeSamples(const SeriesInRecord& series, std::vector<Sample>& samples);

}  // namespace pilotlight::collector
