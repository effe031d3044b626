// Whatever is where a JVM should have its tables is read within bounds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "agent/java/hotspot_tables.h"
#include "agent/java/jvm_process.h"
#include "base/check.h"

// The input is the memory from address 0 on; it begins with the variables.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pilotlight::agent;
  const auto read = [&](uint64_t address, size_t wanted) -> absl::StatusOr<std::string> {
    if (address >= size) return absl::UnavailableError("not mapped");
    return std::string(reinterpret_cast<const char*>(data) + address, std::min(wanted, size - address));
  };
  HotSpotSymbols symbols = {};
  for (size_t i = 0; i < symbols.size(); ++i) symbols[i] = i * sizeof(uint64_t);
  const absl::StatusOr<HotSpotTables> tables = HotSpotTables::Read(symbols, read);
  if (!tables.ok()) return 0;
  const absl::StatusOr<JvmLayout> layout = FindJvmLayout(*tables);
  if (!layout.ok()) return 0;
  const absl::StatusOr<pl_jvm_program> program = FindJvmProgram(*layout, read);
  if (!program.ok()) return 0;
  CHECK(program->interpreter - program->start < program->bytes);
  for (const pl_code_heap& heap : program->heaps) CHECK(heap.end - heap.start <= program->bytes);
  return 0;
}
