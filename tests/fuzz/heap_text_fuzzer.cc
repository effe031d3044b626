// The text of a heap profile gives pauses, or an error.
#include <cstddef>
#include <cstdint>

#include "agent/gc/heap_text.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto stats = pilotlight::agent::ParseHeapText({reinterpret_cast<const char*>(data), size});
  if (stats.ok()) CHECK(stats->cycles > 0);
  return 0;
}
