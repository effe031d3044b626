#include "objfile/dwarf_frames.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <libelf.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pilotlight {
namespace {

// Of hostile files: no unit of real ones has so many entries, nor so deep ones.
constexpr size_t kMaxEntriesOfUnit = 1 << 22;
constexpr int kMaxDepth = 200;
constexpr size_t kMaxInlinedCalls = 256;  // of one another

// May hold functions.
bool IsScope(int tag) {
  switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
      return true;
    default:
      return false;
  }
}

uint32_t NumberOf(Dwarf_Die& die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_attr(&die, name, &attribute) == nullptr || dwarf_formudata(&attribute, &value) != 0) return 0;
  return static_cast<uint32_t>(value);
}

std::string NameOf(Dwarf_Die& die) {
  Dwarf_Attribute attribute;
  const char* name = nullptr;
  for (const unsigned kind : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name}) {
    if (dwarf_attr_integrate(&die, kind, &attribute) == nullptr) continue;
    name = dwarf_formstring(&attribute);
    if (name != nullptr) break;
  }
  return name == nullptr ? "" : std::string(name).substr(0, kMaxSymbolBytes);
}

}  // namespace

uint64_t DebugInfoBytes(const ElfFile& elf) {
  const ElfSection* const info = elf.FindSection(".debug_info");
  if (info == nullptr || info->size == 0 || info->type == SHT_NOBITS) return 0;
  uint64_t bytes = 0;
  for (const ElfSection& section : elf.sections()) {
    if (!absl::StartsWith(section.name, ".debug_") || section.type == SHT_NOBITS) continue;
    bytes += section.size;
    if ((section.flags & SHF_COMPRESSED) == 0) continue;
    if (const auto header = elf.bytes().Read<Elf64_Chdr>(section.offset)) bytes += header->ch_size;
  }
  return bytes;
}

void DwarfFrames::DwarfCloser::operator()(Dwarf* dwarf) const { dwarf_end(dwarf); }
void DwarfFrames::ElfCloser::operator()(Elf* elf) const { elf_end(elf); }

absl::StatusOr<std::unique_ptr<DwarfFrames>> DwarfFrames::Create(const ElfFile& elf) {
  if (DebugInfoBytes(elf) == 0) return absl::NotFoundError("no debug information");
  std::unique_ptr<Elf, ElfCloser> handle;
  if (const auto* const file = dynamic_cast<const FileBytes*>(&elf.bytes()); file != nullptr) {
    handle.reset(elf_begin(file->fd(), ELF_C_READ, /*ref=*/nullptr));
  } else {
    // libelf takes a non-const image, but writes only after elf_update().
    const absl::string_view image = elf.bytes().View(0);
    handle.reset(elf_memory(const_cast<char*>(image.data()), image.size()));
  }
  if (handle == nullptr) return absl::InvalidArgumentError(absl::StrCat("no ELF file: ", elf_errmsg(-1)));
  std::unique_ptr<Dwarf, DwarfCloser> dwarf(dwarf_begin_elf(handle.get(), DWARF_C_READ, /*scngrp=*/nullptr));
  if (dwarf == nullptr) return absl::NotFoundError(absl::StrCat("no DWARF: ", dwarf_errmsg(-1)));
  std::unique_ptr<DwarfFrames> frames(new DwarfFrames(std::move(handle), std::move(dwarf)));
  frames->ReadUnits();
  if (frames->units_.empty()) return absl::NotFoundError("no code in the debug information");
  return frames;
}

DwarfFrames::DwarfFrames(std::unique_ptr<Elf, ElfCloser> elf, std::unique_ptr<Dwarf, DwarfCloser> dwarf)
    : elf_(std::move(elf)), dwarf_(std::move(dwarf)) {}

DwarfFrames::~DwarfFrames() = default;

// By the units' own ranges: .debug_aranges is what not all compilers write.
void DwarfFrames::ReadUnits() {
  Dwarf_CU* unit = nullptr;
  Dwarf_Die die;
  uint8_t type = 0;
  while (dwarf_get_units(dwarf_.get(), unit, &unit, /*version=*/nullptr, &type, &die, /*subdie=*/nullptr) ==
         0) {
    if (type != DW_UT_compile) continue;
    Dwarf_Addr base = 0;
    Dwarf_Addr begin = 0;
    Dwarf_Addr end = 0;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(&die, at, &base, &begin, &end)) > 0;) {
      // What the linker has left out begins at 0.
      if (begin < end && begin != 0) units_.push_back({begin, end, dwarf_dieoffset(&die)});
    }
  }
  std::ranges::sort(units_, {}, &Range::begin);
}

// Collects the functions of one unit.
class DwarfFrames::UnitReader {
 public:
  explicit UnitReader(Unit& unit) : unit_(unit) {}

  void Read(Dwarf_Die& parent, uint32_t caller, int depth) {
    Dwarf_Die die;
    if (depth >= kMaxDepth || dwarf_child(&parent, &die) != 0) return;
    while (entries_++ < kMaxEntriesOfUnit) {
      const int tag = dwarf_tag(&die);
      if (IsScope(tag)) {
        uint32_t function = caller;
        if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine) function = Add(die, tag, caller);
        Read(die, function, depth + 1);
      }
      const Dwarf_Off offset = dwarf_dieoffset(&die);
      if (dwarf_siblingof(&die, &die) != 0 || dwarf_dieoffset(&die) <= offset) return;
    }
  }

 private:
  // kNone when it has no code.
  uint32_t Add(Dwarf_Die& die, int tag, uint32_t caller) {
    const auto number = static_cast<uint32_t>(unit_.functions.size());
    const bool inlined = tag == DW_TAG_inlined_subroutine;
    if (inlined && caller == kNone) return kNone;  // of an abstract function
    const size_t ranges_before = unit_.ranges.size();
    Dwarf_Addr base = 0;
    Dwarf_Addr begin = 0;
    Dwarf_Addr end = 0;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(&die, at, &base, &begin, &end)) > 0;) {
      if (begin < end && begin != 0) unit_.ranges.push_back({begin, end, number});
    }
    if (unit_.ranges.size() == ranges_before) return inlined ? caller : kNone;
    unit_.functions.push_back({.die = dwarf_dieoffset(&die),
                               .caller = inlined ? caller : kNone,
                               .call_file = inlined ? NumberOf(die, DW_AT_call_file) : 0,
                               .call_line = inlined ? NumberOf(die, DW_AT_call_line) : 0,
                               .inlined = inlined});
    return number;
  }

  Unit& unit_;
  size_t entries_ = 0;
};

const DwarfFrames::Unit& DwarfFrames::UnitAt(uint64_t offset) {
  if (read_units_.size() >= kMaxReadUnits && !read_units_.contains(offset)) {
    read_units_.clear();
    // libdw forgets nothing by itself; the sections stay with libelf.
    dwarf_.reset();
    dwarf_.reset(dwarf_begin_elf(elf_.get(), DWARF_C_READ, /*scngrp=*/nullptr));
  }
  const auto [found, is_new] = read_units_.try_emplace(offset);
  Unit& unit = found->second;
  if (!is_new) return unit;
  Dwarf_Die die;
  if (dwarf_offdie(dwarf_.get(), offset, &die) != nullptr) UnitReader(unit).Read(die, kNone, /*depth=*/0);
  // Inlined calls come later than who calls them, and begin no earlier.
  std::ranges::stable_sort(unit.ranges, {}, &Range::begin);
  return unit;
}

uint32_t DwarfFrames::InnermostAt(const Unit& unit, uint64_t vaddr) {
  auto range = std::ranges::upper_bound(unit.ranges, vaddr, {}, &Range::begin);
  while (range != unit.ranges.begin()) {
    --range;
    if (vaddr < range->end) return static_cast<uint32_t>(range->target);
    // Functions do not overlap: who begins before has ended.
    if (!unit.functions[range->target].inlined) return kNone;
  }
  return kNone;
}

bool DwarfFrames::Lookup(uint64_t vaddr, std::vector<SourceFrame>& frames) {
  const auto after = std::ranges::upper_bound(units_, vaddr, {}, &Range::begin);
  if (after == units_.begin() || vaddr >= std::prev(after)->end) return false;
  const uint64_t offset = std::prev(after)->target;
  const Unit& unit = UnitAt(offset);
  Dwarf_Die unit_die;
  if (dwarf_offdie(dwarf_.get(), offset, &unit_die) == nullptr) return false;

  const size_t before = frames.size();
  std::string file;
  uint32_t line_number = 0;
  if (Dwarf_Line* const line = dwarf_getsrc_die(&unit_die, vaddr); line != nullptr) {
    const char* const path = dwarf_linesrc(line, /*mtime=*/nullptr, /*length=*/nullptr);
    if (path != nullptr) file = path;
    int number = 0;
    if (dwarf_lineno(line, &number) == 0) line_number = static_cast<uint32_t>(number);
  }
  Dwarf_Files* files = nullptr;
  for (uint32_t at = InnermostAt(unit, vaddr); at != kNone && frames.size() - before < kMaxInlinedCalls;) {
    const Function& function = unit.functions[at];
    Dwarf_Die die;
    if (dwarf_offdie(dwarf_.get(), function.die, &die) == nullptr) break;
    int start_line = 0;
    if (dwarf_decl_line(&die, &start_line) != 0) start_line = 0;
    frames.push_back({.function = NameOf(die),
                      .file = std::move(file),
                      .line = line_number,
                      .start_line = static_cast<uint32_t>(start_line),
                      .inlined = function.inlined});
    if (!function.inlined) return true;
    if (files == nullptr) dwarf_getsrcfiles(&unit_die, &files, /*nfiles=*/nullptr);
    const char* const path = files == nullptr || function.call_line == 0
                                 ? nullptr
                                 : dwarf_filesrc(files, function.call_file, nullptr, nullptr);
    file = path == nullptr ? "" : path;
    line_number = function.call_line;
    at = function.caller;
  }
  frames.resize(before);
  return false;
}

}  // namespace pilotlight
