#include "collector/store/embedded/totals_record.h"

#include <algorithm>

#include "collector/store/embedded/bytes.h"

namespace pilotlight::collector {
namespace {

// Both wrap, as ValueOf() does.
int64_t Sum(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t Difference(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

}  // namespace

void TotalsRecordWriter::Add(const SeriesInRecord& window) {
  auto series = std::ranges::lower_bound(series_, window.id, {}, &SeriesWindows::id);
  if (series == series_.end() || series->id != window.id) {
    series = series_.insert(series, SeriesWindows{window.id, window.period, {}});
  }
  series->windows.push_back(
      {.start_ns = window.span.first_start_ns,
       .duration_ns = window.span.watched_ns,
       .interval_ns = static_cast<int64_t>(window.span.last_end_ns - window.span.first_start_ns),
       .total = window.total});
}

std::string TotalsRecordWriter::Encode(uint64_t span_start_ns) const {
  std::string out;
  if (series_.empty()) return out;
  AppendVarint(out, series_.size());
  uint32_t previous_id = 0;
  for (const SeriesWindows& series : series_) {
    AppendVarint(out, series.id - previous_id);
    previous_id = series.id;
    AppendZigzag(out, series.period);
    AppendVarint(out, series.windows.size());
    uint64_t start = span_start_ns;
    for (const Window& window : series.windows) {
      AppendVarint(out, window.start_ns - start);
      start = window.start_ns;
    }
    int64_t duration = 0;
    for (const Window& window : series.windows) {
      AppendZigzag(out, window.duration_ns - duration);
      duration = window.duration_ns;
    }
    int64_t pause = 0;
    for (const Window& window : series.windows) {
      AppendZigzag(out, window.interval_ns - window.duration_ns - pause);
      pause = window.interval_ns - window.duration_ns;
    }
    for (const Window& window : series.windows) AppendVarint(out, window.total.count);
    for (const Window& window : series.windows) {
      AppendZigzag(out, Difference(window.total.value, ValueOf(window.total.count, series.period)));
    }
  }
  return out;
}

bool ReadTotalsRecord(uint64_t span_start_ns, absl::string_view bytes,
                      absl::FunctionRef<bool(uint32_t id)> is_wanted,
                      absl::FunctionRef<void(uint32_t id, const WindowTotals& window)> visit) {
  struct Window {
    uint64_t start_ns;
    int64_t duration_ns;
    int64_t interval_ns;
    uint64_t count;
  };
  ByteReader reader(bytes);
  std::vector<Window> windows;
  uint64_t id = 0;
  for (size_t left = reader.Count(3); left > 0; --left) {
    id += reader.VarintUpTo(UINT32_MAX);
    if (!reader.ok() || id > UINT32_MAX) return false;
    const int64_t period = reader.Zigzag();
    windows.resize(reader.Count(5));
    uint64_t start = span_start_ns;
    for (Window& window : windows) window.start_ns = start += reader.Varint();
    int64_t duration = 0;
    for (Window& window : windows) window.duration_ns = duration = Sum(duration, reader.Zigzag());
    int64_t pause = 0;
    for (Window& window : windows) {
      pause = Sum(pause, reader.Zigzag());
      window.interval_ns = Sum(window.duration_ns, pause);
    }
    for (Window& window : windows) window.count = reader.Varint();
    const bool wanted = is_wanted(static_cast<uint32_t>(id));
    for (const Window& window : windows) {
      const int64_t value = Sum(ValueOf(window.count, period), reader.Zigzag());
      if (!reader.ok()) return false;
      if (!wanted) continue;
      visit(static_cast<uint32_t>(id),
            {.start_ns = window.start_ns,
             .total = {window.count, value},
             .estimated_value = ScaleToInterval(value, window.duration_ns, window.interval_ns)});
    }
  }
  return reader.done();
}

}  // namespace pilotlight::collector
