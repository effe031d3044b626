#include "agent/symbolize/binary.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "objfile/demangle.h"

namespace pilotlight::agent {

Binary::Binary(std::unique_ptr<ElfFile> elf) : elf_(std::move(elf)) {
  absl::StatusOr<std::unique_ptr<GoSymbols>> go = GoSymbols::Create(*elf_);
  if (go.ok()) {
    go_ = *std::move(go);
  } else {
    debug_info_bytes_ = DebugInfoBytes(*elf_);
  }
}

FrameKind Binary::Lookup(uint64_t vaddr, std::vector<SourceFrame>& frames) {
  if (go_ != nullptr && go_->Lookup(vaddr, frames)) {
    // garble -tiny empties the names: an inlined call without one is left to its caller, and a function
    // without one has none.
    frames.erase(std::remove_if(frames.begin(), frames.end(),
                                [](const SourceFrame& frame) { return frame.function.empty(); }),
                 frames.end());
    for (SourceFrame& frame : frames) {
      frame.function = CleanName(std::move(frame.function));
      frame.file = CleanName(std::move(frame.file));
    }
    if (!frames.empty() && !frames.back().inlined) return FrameKind::kGo;
    frames.clear();
    return FrameKind::kGo;
  }
  if (!symbols_tried_) {
    symbols_tried_ = true;
    absl::StatusOr<std::unique_ptr<ElfSymbols>> symbols = absl::NotFoundError("");
    if (debug_file_ != nullptr) symbols = ElfSymbols::Create(*debug_file_);
    if (!symbols.ok()) symbols = ElfSymbols::Create(*elf_);
    if (symbols.ok()) symbols_ = *std::move(symbols);
  }
  const std::optional<ElfSymbols::Symbol> symbol = symbols_ == nullptr ? std::nullopt : symbols_->Find(vaddr);
  if (debug_info_ != nullptr && debug_info_->Lookup(vaddr, frames)) {
    // The symbol tells parts and copies of a function apart, and is the same without debug information.
    if (symbol.has_value()) frames.back().function = symbol->name;
    std::erase_if(frames, [](const SourceFrame& frame) { return frame.function.empty() && frame.inlined; });
    for (SourceFrame& frame : frames) {
      frame.function = CleanName(Demangle(frame.function));
      frame.file = CleanName(std::move(frame.file));
    }
    if (!frames.back().function.empty()) return FrameKind::kNative;
    frames.clear();
  }
  if (symbol.has_value()) frames.push_back({.function = CleanName(Demangle(symbol->name)), .file = ""});
  return FrameKind::kNative;
}

bool Binary::wants_debug_file() const {
  return !debug_file_tried_ && go_ == nullptr && elf_->FindSection(".symtab") == nullptr;
}

void Binary::SetDebugFile(std::unique_ptr<ElfFile> file) {
  debug_file_tried_ = true;
  debug_file_ = std::move(file);
  if (debug_file_ != nullptr && debug_info_bytes_ == 0) debug_info_bytes_ = DebugInfoBytes(*debug_file_);
}

void Binary::OpenDebugInfo() {
  const bool in_binary = DebugInfoBytes(*elf_) > 0;
  absl::StatusOr<std::unique_ptr<DwarfFrames>> opened = DwarfFrames::Create(in_binary ? *elf_ : *debug_file_);
  if (opened.ok()) {
    debug_info_ = *std::move(opened);
  } else {
    debug_info_bytes_ = 0;
  }
}

size_t Binary::byte_size() const {
  return sizeof(*this) + elf_->byte_size() + (debug_file_ == nullptr ? 0 : debug_file_->byte_size()) +
         (go_ == nullptr ? 0 : go_->byte_size()) + (symbols_ == nullptr ? 0 : symbols_->byte_size());
}

}  // namespace pilotlight::agent
