// A process that runs HotSpot: where it keeps the code that it makes, out of its memory. Nothing is asked of
// it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/capture/bpf/abi.h"
#include "agent/java/hotspot_tables.h"

namespace pilotlight::agent {

// What the BPF program needs to know, without the heaps, and where those are told of.
struct JvmLayout {
  uint64_t heaps = 0;        // address of CodeCache::_heaps
  uint64_t low_bound = 0;    // of CodeCache::_low_bound
  uint64_t high_bound = 0;   // of CodeCache::_high_bound
  uint64_t interpreter = 0;  // of AbstractInterpreter::_code
  // Offsets in bytes:
  uint64_t array_length = 0;
  uint64_t array_data = 0;
  uint64_t heap_low = 0;  // in CodeHeap, of its memory and of the map of its segments
  uint64_t heap_high = 0;
  uint64_t heap_segments = 0;
  uint64_t heap_segment_shift = 0;
  uint64_t stubs_start = 0;  // in StubQueue
  uint64_t stubs_bytes = 0;
  pl_jvm_program program = {};
};

// Unimplemented when they lack something, or say what cannot be.
absl::StatusOr<JvmLayout> FindJvmLayout(const HotSpotTables& tables);
// Unavailable while the machine is not set up; Unimplemented when it is not as it must be.
absl::StatusOr<pl_jvm_program> FindJvmProgram(const JvmLayout& layout, MemoryReader read);

// Not thread-safe.
class JvmProcess {
 public:
  JvmProcess(pid_t pid, const HotSpotSymbols& symbols, std::string proc_root = "/proc")
      : pid_(pid), symbols_(symbols), proc_root_(std::move(proc_root)) {}

  // What the BPF program needs to know of it. Unavailable while the machine is not set up: to be asked again;
  // Unimplemented when it is not supported, PermissionDenied without the right to read its memory.
  absl::StatusOr<pl_jvm_program> FindProgram();

 private:
  const pid_t pid_;
  const HotSpotSymbols symbols_;
  const std::string proc_root_;
  std::optional<JvmLayout> layout_;
};

}  // namespace pilotlight::agent
