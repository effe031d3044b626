// The file in which a JIT compiler writes down its code: jit-PID.dump, as perf reads it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/symbolize/perf_map.h"
#include "agent/targets/process_table.h"
#include "objfile/byte_source.h"

namespace pilotlight::agent {

// Adds the functions of the records from `offset` on, 0 for the whole file, to `map`, until that takes
// `max_map_bytes`. Returns where the next record will be: the last one may not be whole yet. After the record
// that closes the file, and where there is no record, nothing more comes: UINT64_MAX. Format: Linux,
// tools/perf/Documentation/jitdump-specification.txt; of the machine's own byte order.
uint64_t ReadJitDump(ByteSource& file, uint64_t offset, size_t max_map_bytes, PerfMap& map);

// The mapping by which a process tells where its dump is; nullptr when there is none.
const Mapping* FindJitDump(const Process& process);

}  // namespace pilotlight::agent
