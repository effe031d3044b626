// What one block keeps of one window, or of the sum of a span of windows: per series two columns of small
// integers, and what a query needs to know without reading them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "collector/store/embedded/level.h"
#include "profile/profile.h"

namespace pilotlight::collector {

// count × period. It wraps instead of overflowing, as all sums of records do: what a broken or hostile record
// says must not be undefined behaviour.
int64_t ValueOf(uint64_t count, int64_t period);
// value × interval / duration, for a duration of a right window.
double ScaleToInterval(int64_t value, int64_t duration_ns, int64_t interval_ns);

// How much stands behind the samples of a series in a record.
struct SeriesSpan {
  uint64_t windows = 0;        // label set × window
  int64_t watched_ns = 0;      // sum of the windows' durations
  double estimated_value = 0;  // each window's value × interval / duration
  uint64_t first_start_ns = 0;
  uint64_t last_end_ns = 0;  // of the interval that the last window stands for

  // What both together have.
  SeriesSpan& operator+=(const SeriesSpan& other);
};

// A series as it is written: its number in the block, and samples sorted by node without repetition.
struct RecordedSeries {
  uint32_t id = 0;
  int64_t period = 0;  // 0 when the windows differ in it
  LossCounters loss;
  SeriesSpan span;  // not written for a window, whose record says it once for all series
  std::vector<Sample> samples;
};

// Adds `from`, of the same series; its samples may then be out of order, see MergeSamples().
void Add(RecordedSeries&& from, RecordedSeries& to);

// The layout of both records, in varints unless said otherwise:
//
//   of a window: duration, interval − duration (ns, zigzag)
//   number of series; then for each, in the order of their ids:
//     id − the id before; flags (bit 0: the values column is there); period (zigzag)
//     of a span: windows; watched ns (zigzag); estimated value (a double's eight bytes, big-endian);
//                first start − the span's; last end − first start
//     loss: lost samples, truncated stacks, frames, unsymbolized frames
//     total count; total value (zigzag)
//     number of samples; bytes of the node, count and, when there, value columns
//     nodes: difference to the node before; counts; values (zigzag), left out when all are count × period
//
// REQUIRES: ids ascend.
std::string EncodeWindowRecord(int64_t duration_ns, int64_t interval_ns,
                               const std::vector<RecordedSeries>& series);
std::string EncodeSpanRecord(uint64_t span_start_ns, const std::vector<RecordedSeries>& series);

// A sum over label sets of one type: `sum.id` is the lowest of `ids`.
struct ServiceSum {
  RecordedSeries sum;
  std::vector<uint32_t> ids;  // of the series that it is made of, ascending
};
// Number of sums; for each the number of ids, then the differences between them; then the record of a span.
// REQUIRES: ids of the sums ascend.
std::string EncodeServiceSums(uint64_t span_start_ns, const std::vector<ServiceSum>& sums);

// A series in a record; the columns are views of the record's bytes.
struct SeriesInRecord {
  uint32_t id = 0;
  int64_t period = 0;
  LossCounters loss;
  SeriesSpan span;
  ProfileTotals total;
  size_t sample_count = 0;
  bool has_values = false;
  absl::string_view nodes;
  absl::string_view counts;
  absl::string_view values;
  std::vector<uint32_t> further_ids;  // of a sum over label sets: of the others
};

// `start_ns` is the window's or the span's. False when the bytes are no such record. `series` may be reused
// from one call to the next.
bool ParseRecord(Level level, uint64_t start_ns, absl::string_view bytes,
                 std::vector<SeriesInRecord>& series);

bool ParseServiceSums(Level level, uint64_t start_ns, absl::string_view bytes,
                      std::vector<SeriesInRecord>& series);

// Appends the samples; false when the columns are broken, `samples` is then as before.
bool DecodeSamples(const SeriesInRecord& series, std::vector<Sample>& samples);

}  // namespace pilotlight::collector
