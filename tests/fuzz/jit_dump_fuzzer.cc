// A JIT compiler's dump of any content is read within bounds, and not beyond its end.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "agent/symbolize/jit_dump.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pilotlight;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr size_t kMaxMapBytes = 4096;
  agent::PerfMap map;
  // As if the file had grown between two looks.
  MemoryBytes start(bytes.substr(0, size / 2));
  const uint64_t next = agent::ReadJitDump(start, 0, kMaxMapBytes, map);
  CHECK(next == UINT64_MAX || next <= UINT32_MAX || next <= size / 2);
  MemoryBytes whole(bytes);
  agent::ReadJitDump(whole, next, kMaxMapBytes, map);
  for (const uint64_t address : {uint64_t{0}, uint64_t{0x1000}, uint64_t{0x3000}, UINT64_MAX}) {
    CHECK(map.Find(address).size() <= agent::PerfMap::kMaxNameBytes);
  }
  return 0;
}
