// Debug information of any content is refused or read, and what it says of addresses is whole.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "objfile/dwarf_frames.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto elf = pilotlight::ElfFile::FromBytes({reinterpret_cast<const char*>(data), size});
  if (!elf.ok()) return 0;
  const auto dwarf = pilotlight::DwarfFrames::Create(**elf);
  if (!dwarf.ok()) return 0;
  for (const pilotlight::ElfSegment& segment : (*elf)->segments()) {
    for (uint64_t step = 0; step < 8; ++step) {
      std::vector<pilotlight::SourceFrame> frames;
      const bool found = (*dwarf)->Lookup(segment.vaddr + segment.memory_size / 8 * step, frames);
      CHECK(found == !frames.empty());
      CHECK(!found || !frames.back().inlined);
    }
  }
  return 0;
}
