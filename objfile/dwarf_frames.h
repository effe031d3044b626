// Inlined calls, files and lines of C, C++ and Rust, from a binary's DWARF. elfutils' libdw does the reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "objfile/elf_file.h"
#include "objfile/source_frame.h"

struct Dwarf;
struct Elf;

namespace pilotlight {

// What the debug sections of a file take when they are read, without what is made of them; 0 when it has
// none.
uint64_t DebugInfoBytes(const ElfFile& elf);

// Has all debug sections in memory: libdw reads them whole, and mapping them would be as in FileBytes. On top
// comes what is made of the compilation units that are asked for, their functions and tables of lines: some
// 0.5 MiB for each of kMaxReadUnits, with which all are let go. Not thread-safe.
class DwarfFrames {
 public:
  // NotFound when there is no debug information, or none of code. Keeps a reference to `elf`.
  static absl::StatusOr<std::unique_ptr<DwarfFrames>> Create(const ElfFile& elf);
  ~DwarfFrames();

  // Appends the frames at an address in the file, the innermost first, with names as linkers know them where
  // the file has these. False, and nothing appended, when DWARF knows no function there.
  bool Lookup(uint64_t vaddr, std::vector<SourceFrame>& frames);

  static constexpr size_t kMaxReadUnits = 32;

 private:
  struct DwarfCloser {
    void operator()(Dwarf* dwarf) const;
  };
  struct ElfCloser {
    void operator()(Elf* elf) const;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  // Code of a compilation unit, or of a function.
  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;     // exclusive
    uint64_t target = 0;  // the unit's offset in .debug_info; the function's place in Unit::functions
  };
  // A function, or an inlined call of one.
  struct Function {
    uint64_t die = 0;         // its offset in .debug_info
    uint32_t caller = kNone;  // of an inlined call, in Unit::functions
    uint32_t call_file = 0;   // of the unit's files
    uint32_t call_line = 0;
    bool inlined = false;
  };
  struct Unit {
    std::vector<Function> functions;
    std::vector<Range> ranges;  // by their begin, outer ones first
  };
  class UnitReader;

  DwarfFrames(std::unique_ptr<Elf, ElfCloser> elf, std::unique_ptr<Dwarf, DwarfCloser> dwarf);
  void ReadUnits();
  const Unit& UnitAt(uint64_t offset);
  // kNone when there is none.
  static uint32_t InnermostAt(const Unit& unit, uint64_t vaddr);

  const std::unique_ptr<Elf, ElfCloser> elf_;
  std::unique_ptr<Dwarf, DwarfCloser> dwarf_;
  std::vector<Range> units_;  // by their begin
  absl::flat_hash_map<uint64_t, Unit> read_units_;
};

}  // namespace pilotlight
