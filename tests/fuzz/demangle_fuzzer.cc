// Any name comes back within the limit, in little time, as text that may be shown.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "objfile/demangle.h"
#include "objfile/source_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view name(reinterpret_cast<const char*>(data), size);
  const std::string demangled = pilotlight::Demangle(name);
  CHECK(demangled.size() <= pilotlight::kMaxSymbolBytes);
  const std::string clean = pilotlight::CleanName(demangled);
  CHECK(clean.size() <= pilotlight::kMaxSymbolBytes);
  for (const char c : clean) CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  CHECK(pilotlight::CleanName(clean) == clean);
  return 0;
}
