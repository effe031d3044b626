// The totals of the windows of ten minutes, so that a series over time is drawn without reading their
// samples.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "collector/store/embedded/record.h"
#include "profile/profile.h"

namespace pilotlight::collector {

struct WindowTotals {
  uint64_t start_ns = 0;
  ProfileTotals total;
  double estimated_value = 0;  // value × interval / duration
};

// Encodes the totals of one block's windows, in varints:
//
//   number of series; then for each, in the order of their ids:
//     id − the id before; period (zigzag); number of windows
//     columns: start − the one before, the span's for the first; duration and interval − duration (ns, zigzag
//     differences to the window before); count; value − count × period (zigzag)
//
// Not thread-safe.
class TotalsRecordWriter {
 public:
  // Windows in the order of their starts.
  void Add(const SeriesInRecord& window);
  // Empty when nothing was added.
  std::string Encode(uint64_t span_start_ns) const;

 private:
  struct Window {
    uint64_t start_ns;
    int64_t duration_ns;
    int64_t interval_ns;
    ProfileTotals total;
  };
  struct SeriesWindows {
    uint32_t id;
    int64_t period;
    std::vector<Window> windows;
  };
  std::vector<SeriesWindows> series_;  // sorted by id
};

// Calls `visit` for each window of the series that `is_wanted` takes. False when the bytes are no such
// record; some windows may have been visited by then.
bool ReadTotalsRecord(uint64_t span_start_ns, absl::string_view bytes,
                      absl::FunctionRef<bool(uint32_t id)> is_wanted,
                      absl::FunctionRef<void(uint32_t id, const WindowTotals& window)> visit);

}  // namespace pilotlight::collector
