// Call frame information (.eh_frame, .debug_frame) as a sorted list of rules. x86-64 and AArch64.
// Sources: DWARF 5, section 6.4; Linux Standard Base Core 5.0, section 10.6 (.eh_frame); the psABIs of both.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "objfile/elf_file.h"
#include "objfile/unwind_rule.h"

namespace pilotlight {

// What is in the sections.
struct CallFrameStats {
  uint64_t functions = 0;          // FDEs that rules were made from
  uint64_t skipped_functions = 0;  // FDEs that are broken, overlap another, or use what is not supported
  uint64_t unsupported_rules = 0;  // places whose frame needs registers or expressions that no rule can say
};

// Calls `visit` with the first address (as the ELF file has it) of each range of code and its rule; addresses
// grow strictly, neighbours differ. A rule holds up to the next one, the last is kUnknown. Code without
// information has kUnknown.
// NotFound when the file has neither section, Unimplemented for another machine, InvalidArgument when no
// entry can be read. Memory: the section and 24 bytes a function.
absl::StatusOr<CallFrameStats> ReadCallFrames(
    const ElfFile& elf, absl::FunctionRef<void(uint64_t address, const UnwindRule& rule)> visit);

// The same for the content of one section.
struct CallFrameSection {
  std::string bytes;
  uint64_t vaddr = 0;
  bool is_eh_frame = true;  // or .debug_frame
};
absl::StatusOr<CallFrameStats> ReadCallFrames(
    CallFrameSection section, uint16_t machine,
    absl::FunctionRef<void(uint64_t address, const UnwindRule& rule)> visit);

}  // namespace pilotlight
