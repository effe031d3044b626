// A perf map of any content is read within bounds; a name that is found is one of its lines.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "agent/symbolize/perf_map.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  pilotlight::agent::PerfMap map;
  const size_t half = map.Append(text.substr(0, size / 2));
  CHECK(half <= size / 2);
  map.Append(text.substr(half));
  for (const uint64_t address : {uint64_t{0}, uint64_t{0x1000}, uint64_t{0x100f}, UINT64_MAX}) {
    CHECK(text.find(map.Find(address)) != absl::string_view::npos);
  }
  return 0;
}
