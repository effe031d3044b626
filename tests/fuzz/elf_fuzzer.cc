// An ELF file of any content is refused or read, within bounds and in little time; what is found in it is
// consistent.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "objfile/debug_link.h"
#include "objfile/elf_file.h"
#include "objfile/elf_symbols.h"
#include "objfile/unwind_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto elf = pilotlight::ElfFile::FromBytes({reinterpret_cast<const char*>(data), size});
  if (!elf.ok()) return 0;
  const pilotlight::ElfFile& file = **elf;
  CHECK(!file.build_id().empty());
  file.DynamicValue(/*tag=*/7);
  file.FindSection(".text");
  if (const auto link = pilotlight::ReadDebugLink(file)) CHECK(!link->name.empty());
  if (const auto mini = pilotlight::ReadMiniDebugInfo(file, /*max_bytes=*/1 << 20); mini.ok()) {
    pilotlight::ElfSymbols::Create(**mini, /*max_symbols=*/1000).IgnoreError();
  }
  uint64_t last = 0;
  pilotlight::ReadUnwindTable(file, [&](uint64_t address, const pilotlight::UnwindRule&) {
    CHECK(last == 0 || address > last);
    last = address;
  }).IgnoreError();
  std::vector<uint64_t> addresses = {0, 1, UINT64_MAX};
  for (const pilotlight::ElfSegment& segment : file.segments()) {
    CHECK(segment.file_size <= size);
    addresses.push_back(segment.vaddr);
    addresses.push_back(segment.vaddr + segment.file_size);
    if (const std::optional<uint64_t> vaddr = file.OffsetToVaddr(segment.offset); vaddr.has_value()) {
      CHECK(file.VaddrToOffset(*vaddr).has_value());
    }
  }
  const auto symbols = pilotlight::ElfSymbols::Create(file, /*max_symbols=*/1000);
  for (const uint64_t address : addresses) {
    char bytes[64];
    const bool read = file.ReadAt(address, bytes, sizeof(bytes));
    CHECK(!read || file.BytesAt(address) >= sizeof(bytes));
    if (symbols.ok()) {
      const auto symbol = (*symbols)->Find(address);
      CHECK(!symbol.has_value() || (symbol->vaddr <= address && !symbol->name.empty()));
    }
  }
  return 0;
}
