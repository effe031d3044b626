// What the symbolizer counts, for metrics. All only grow, but for the sizes at the end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pilotlight::agent {

struct SymbolizerStats {
  uint64_t address_hits = 0;    // addresses answered from the cache
  uint64_t address_misses = 0;  // addresses looked up in a binary
  uint64_t address_resets = 0;  // times that the full cache of addresses was emptied

  uint64_t binaries_parsed = 0;
  uint64_t binaries_shared = 0;   // files that turned out to be a binary that was known, by build ID
  uint64_t binaries_evicted = 0;  // dropped to stay within the byte or file limit
  uint64_t binaries_closed = 0;   // not used for several windows
  // Files that could not be used, by reason.
  uint64_t open_denied = 0;
  uint64_t open_vanished = 0;  // the process or the file is gone
  uint64_t open_replaced = 0;  // the path holds another file by now
  uint64_t open_failed = 0;    // anything else
  uint64_t not_elf = 0;
  uint64_t unsupported_elf = 0;  // 32 bits, big endian

  // Addresses that could not be named, by reason, each time they were asked for.
  uint64_t unnamed_no_mapping = 0;
  uint64_t unnamed_anonymous = 0;  // JIT code without a perf map, or a mapping without a file
  uint64_t unnamed_no_file = 0;    // one of the open_… and …_elf reasons above
  uint64_t unnamed_no_symbol = 0;
  uint64_t unnamed_kernel = 0;

  uint64_t perf_maps_cut_off = 0;  // times that one was larger than is read
  uint64_t perf_maps_evicted = 0;  // dropped to stay within the byte limit

  size_t cached_perf_maps = 0;
  size_t cached_addresses = 0;
  size_t cached_binaries = 0;
  size_t cached_bytes = 0;  // of binaries, addresses, perf maps and kernel symbols
};

}  // namespace pilotlight::agent
