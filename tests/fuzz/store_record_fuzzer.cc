// Records of the embedded store, as damaged ones may look that still have the right checksum. The first byte
// chooses the kind.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/series_table.h"
#include "collector/store/embedded/window_record.h"

namespace pilotlight::collector {
namespace {

void ReadDictionary(absl::string_view chunk) {
  BlockDictionary dictionary;
  if (!dictionary.AddChunk(chunk).ok()) return;
  for (NodeId node = 1; node < dictionary.node_count(); ++node) {
    CHECK(dictionary.parent(node) < node);
    dictionary.view(dictionary.frame_of(node));
  }
}

void ReadWindow(absl::string_view bytes) {
  WindowRecord record;
  if (!ParseWindowRecord(bytes, record)) return;
  std::vector<Sample> samples;
  for (const SeriesInRecord& series : record.series) DecodeSamples(series, samples);
}

}  // namespace
}  // namespace pilotlight::collector

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view record(reinterpret_cast<const char*>(data) + 1, size - 1);
  pilotlight::collector::SeriesTable series;
  switch (data[0] % 3) {
    case 0:
      pilotlight::collector::ReadDictionary(record);
      break;
    case 1:
      series.AddRecord(0, record).IgnoreError();  // refused or not, it must not crash
      break;
    default:
      pilotlight::collector::ReadWindow(record);
      break;
  }
  return 0;
}
