// What is found in any memory is a record.
#include <cstddef>
#include <cstdint>

#include "agent/gc/go_memstats.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view memory(reinterpret_cast<const char*>(data), size);
  const absl::Time now = absl::FromUnixSeconds(1'750'000'000);
  const std::optional<size_t> at = pilotlight::agent::FindGoMemStats(memory, now);
  if (at.has_value()) CHECK(pilotlight::agent::ParseGoMemStats(memory.substr(*at), now).has_value());
  return 0;
}
