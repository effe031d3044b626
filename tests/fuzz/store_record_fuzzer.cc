// Records of the embedded store, as damaged ones may look that still have the right checksum. The first byte
// chooses the kind.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/dictionary_writer.h"
#include "collector/store/embedded/record.h"
#include "collector/store/embedded/series_table.h"
#include "collector/store/embedded/totals_record.h"

namespace pilotlight::collector {
namespace {

void ReadDictionary(absl::string_view chunk) {
  BlockDictionary dictionary;
  if (!dictionary.AddChunk(chunk).ok()) return;
  for (NodeId node = 1; node < dictionary.node_count(); ++node) {
    CHECK(dictionary.parent(node) < node);
    dictionary.view(dictionary.frame_of(node));
  }
  for (uint32_t stack = 0; stack < dictionary.stack_count(); ++stack) {
    const NodeId node = dictionary.node_of(stack);
    CHECK(node == BlockDictionary::kLostNumber || node < dictionary.node_count());
  }
  DictionaryWriter writer(dictionary);
}

void ReadSeries(Level level, absl::string_view bytes) {
  std::vector<SeriesInRecord> record;
  if (!ParseRecord(level, /*start_ns=*/1000, bytes, record)) return;
  std::vector<Sample> samples;
  SeriesSpan span;
  for (const SeriesInRecord& series : record) {
    DecodeSamples(series, samples);
    span += series.span;
  }
}

void ReadServiceSums(absl::string_view bytes) {
  std::vector<SeriesInRecord> record;
  if (!ParseServiceSums(Level::kHour, /*start_ns=*/1000, bytes, record)) return;
  std::vector<Sample> samples;
  for (const SeriesInRecord& series : record) DecodeSamples(series, samples);
}

void ReadTotals(absl::string_view bytes) {
  uint64_t windows = 0;
  ReadTotalsRecord(/*span_start_ns=*/1000, bytes, [](uint32_t id) { return id % 2 == 0; },
                   [&windows](uint32_t, const WindowTotals&) { ++windows; });
  CHECK(windows <= bytes.size());
}

}  // namespace
}  // namespace pilotlight::collector

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view record(reinterpret_cast<const char*>(data) + 1, size - 1);
  pilotlight::collector::SeriesTable series;
  switch (data[0] % 6) {
    case 0:
      pilotlight::collector::ReadDictionary(record);
      break;
    case 1:
      series.AddRecord(0, record).IgnoreError();  // refused or not, it must not crash
      break;
    case 2:
      pilotlight::collector::ReadSeries(pilotlight::collector::Level::kWindow, record);
      break;
    case 3:
      pilotlight::collector::ReadSeries(pilotlight::collector::Level::kHour, record);
      break;
    case 4:
      pilotlight::collector::ReadServiceSums(record);
      break;
    default:
      pilotlight::collector::ReadTotals(record);
      break;
  }
  return 0;
}
