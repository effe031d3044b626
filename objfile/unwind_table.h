// How to unwind all code of a binary: its call frame information, and what can be said of code without any.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "objfile/call_frame_info.h"
#include "objfile/elf_file.h"
#include "objfile/unwind_rule.h"

namespace pilotlight {

// As ReadCallFrames(), and fills the gaps: the code of Go keeps frame pointers (since 1.7 on amd64, 1.12 on
// arm64), but for the place where C calls it, which has a rule of its own. Other large gaps are
// kFrameChainUnconfirmed: node has code of its JIT compiler there. Small ones are the ends of functions, and
// what was written in assembly language.
absl::StatusOr<CallFrameStats> ReadUnwindTable(
    const ElfFile& elf, absl::FunctionRef<void(uint64_t address, const UnwindRule& rule)> visit);

}  // namespace pilotlight
