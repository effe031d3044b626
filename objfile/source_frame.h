// What a symbol reader finds at an address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pilotlight {

// Longer names are cut, with an ellipsis at the end.
inline constexpr size_t kMaxSymbolBytes = 8192;

// One function at an address: inlined ones come before the one that they are inlined into.
struct SourceFrame {
  std::string function;
  std::string file;         // empty when unknown
  uint32_t line = 0;        // 1-based, 0 when unknown
  uint32_t start_line = 0;  // where the function begins, likewise
  bool inlined = false;

  friend bool operator==(const SourceFrame&, const SourceFrame&) = default;
};

}  // namespace pilotlight
