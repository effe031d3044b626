// One binary with all that names its addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "objfile/dwarf_frames.h"
#include "objfile/elf_file.h"
#include "objfile/elf_symbols.h"
#include "objfile/go_symbols.h"
#include "objfile/source_frame.h"
#include "profile/frame.h"

namespace pilotlight::agent {

class Binary {
 public:
  explicit Binary(std::unique_ptr<ElfFile> elf);

  // The frames at an address in the file, demangled, innermost first, all of one kind; none when it has no
  // name there. Go's own tables go before the ELF symbols: those know neither lines nor inlined calls, which
  // debug information adds while it is open.
  FrameKind Lookup(uint64_t vaddr, std::vector<SourceFrame>& frames);

  // Its ELF symbols are those that every linker can see alone, or none, and no other file was asked for more.
  bool wants_debug_file() const;
  // With the symbols that this binary was stripped of; nullptr when there is none. REQUIRES: Lookup() was not
  // called.
  void SetDebugFile(std::unique_ptr<ElfFile> file);

  // How much memory OpenDebugInfo() takes; 0 when there is nothing to open.
  uint64_t debug_info_bytes() const { return debug_info_bytes_; }
  void OpenDebugInfo();
  void CloseDebugInfo() { debug_info_.reset(); }
  bool has_debug_info() const { return debug_info_ != nullptr; }

  const ElfFile& elf() const { return *elf_; }
  const GoSymbols* go() const { return go_.get(); }
  // Grows once, when the ELF symbols are first needed. Without debug information.
  size_t byte_size() const;

 private:
  const std::unique_ptr<ElfFile> elf_;
  std::unique_ptr<ElfFile> debug_file_;
  bool debug_file_tried_ = false;
  std::unique_ptr<GoSymbols> go_;
  uint64_t debug_info_bytes_ = 0;
  std::unique_ptr<DwarfFrames> debug_info_;
  // Read when first needed: a Go program's addresses seldom ask for it.
  std::unique_ptr<ElfSymbols> symbols_;
  bool symbols_tried_ = false;
};

}  // namespace pilotlight::agent
