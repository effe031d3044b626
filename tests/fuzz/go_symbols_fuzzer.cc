// Go's tables with any content are refused or read, within bounds and in little time.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "objfile/elf_file.h"
#include "objfile/go_symbols.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto elf = pilotlight::ElfFile::FromBytes({reinterpret_cast<const char*>(data), size});
  if (!elf.ok()) return 0;
  const auto symbols = pilotlight::GoSymbols::Create(**elf);
  if (!symbols.ok()) return 0;
  const uint32_t tried = std::min<uint32_t>((*symbols)->function_count(), 16);
  for (uint32_t i = 0; i < tried; ++i) {
    const auto function = (*symbols)->FunctionAt(i);
    if (!function.has_value()) continue;
    (*symbols)->IsMcall(*function);
    std::vector<pilotlight::SourceFrame> frames;
    if (!(*symbols)->Lookup(function->entry, frames)) continue;
    CHECK(!frames.empty() && !frames.back().inlined);
    for (const pilotlight::SourceFrame& frame : frames)
      CHECK(frame.function.size() <= pilotlight::kMaxSymbolBytes);
    (*symbols)->Lookup(function->end - 1, frames);
  }
  return 0;
}
