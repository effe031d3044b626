// CPython's objects, out of the memory of a process. Pure functions on bytes: they trust nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace pilotlight::agent {

// Which instruction of a code object is of which line.
class PythonLines {
 public:
  // co_linetable: Objects/locations.md of CPython 3.11 and later. What follows a broken entry is left out.
  static PythonLines Parse(absl::string_view table, int64_t first_line);

  // Of the instruction with this number, in units of two bytes; 0 when it has none.
  uint32_t LineOf(uint32_t instruction) const;
  size_t byte_size() const { return starts_.capacity() * sizeof(Start); }

 private:
  struct Start {
    uint32_t instruction = 0;
    uint32_t line = 0;
  };
  std::vector<Start> starts_;  // sorted by instruction; each holds up to the next one
};

// The head of a str, as far as both of its forms have it.
struct PythonString {
  uint64_t type = 0;
  uint64_t length = 0;         // of characters
  int bytes_of_character = 0;  // 1, 2 or 4; 0 when it is no string that is complete in itself
  bool ascii = false;
};
inline constexpr size_t kPythonStringHeadBytes = 40;
// REQUIRES: head.size() ≥ kPythonStringHeadBytes.
PythonString ParsePythonString(absl::string_view head);
// `bytes` are those of whole characters, of this size each. What is no character becomes U+FFFD.
std::string DecodePythonText(absl::string_view bytes, int bytes_of_character);

// How people know a function: "json.decoder.JSONDecoder.decode" for one of a library, "main.py:handler" for
// any other.
std::string PythonFunctionName(absl::string_view file, absl::string_view qualified_name);

}  // namespace pilotlight::agent
