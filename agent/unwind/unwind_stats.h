// What unwinding by tables has to work with.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pilotlight::agent {

struct UnwindStats {
  uint64_t processes = 0;  // that are unwound by tables now
  uint64_t tables = 0;     // of binaries, in use now
  size_t rows = 0;         // of those
  size_t table_bytes = 0;  // kernel memory that the rows take
  // From the start on:
  uint64_t built = 0;       // tables
  uint64_t unreadable = 0;  // binaries that could not be opened
  uint64_t unparsable = 0;  // binaries whose tables are broken, or that are no ELF files
  uint64_t full = 0;        // binaries and processes that found no room
  uint64_t resets = 0;      // times that all was forgotten to make room
};

}  // namespace pilotlight::agent
