// A selector parses or is refused; what parses can be applied.
#include <cstddef>
#include <cstdint>

#include "collector/store/matcher.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 1000) return 0;  // RE2 takes its time over long expressions, within its memory limit
  const auto matchers = pilotlight::collector::ParseSelector({reinterpret_cast<const char*>(data), size});
  if (!matchers.ok()) return 0;
  pilotlight::collector::AllMatch(*matchers, {{"service_name", "checkout"}, {"pod", "checkout-7f9"}});
  return 0;
}
