// Where a stripped binary says that its symbols are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "objfile/elf_file.h"

namespace pilotlight {

// Section .gnu_debuglink (GDB manual, "Separate Debug Files").
struct DebugLink {
  std::string name;  // of a file, without directories
  uint32_t crc = 0;  // CRC-32 of all its bytes
};
std::optional<DebugLink> ReadDebugLink(const ElfFile& elf);

// Section .gnu_debugdata, "MiniDebugInfo": an ELF file with a symbol table, compressed by xz. NotFound when
// there is none; ResourceExhausted beyond `max_bytes`, which both the file and the decompressor may take.
absl::StatusOr<std::unique_ptr<ElfFile>> ReadMiniDebugInfo(const ElfFile& elf,
                                                           size_t max_bytes = size_t{32} << 20);

}  // namespace pilotlight
