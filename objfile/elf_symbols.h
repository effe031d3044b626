// The function symbols of an ELF file, found by address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "objfile/elf_file.h"

namespace pilotlight {

// Keeps 8 bytes a function: its address and its place in the file's table. Size and name are read when asked
// for.
class ElfSymbols {
 public:
  struct Symbol {
    uint64_t vaddr = 0;
    uint64_t size = 0;  // 0 when the file does not say
    std::string name;   // as in the file: see Demangle()
  };

  // From .symtab, else from .dynsym. NotFound when neither has a function. Keeps a reference to `elf`.
  // Beyond `max_symbols` the functions that come later in the table are left out.
  static absl::StatusOr<std::unique_ptr<ElfSymbols>> Create(const ElfFile& elf, size_t max_symbols = 1 << 20);

  // Of several names of one address: a global one, with fewer underscores in front.
  // The function that holds `vaddr`: of several the one that starts last. One without a size reaches to the
  // next symbol of its section.
  std::optional<Symbol> Find(uint64_t vaddr) const;

  size_t size() const { return entries_.size(); }
  size_t left_out() const { return left_out_; }
  size_t byte_size() const { return sizeof(*this) + entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    uint32_t offset = 0;  // of the address, from base_
    uint32_t index = 0;   // in the symbol table
  };

  explicit ElfSymbols(const ElfFile& elf) : elf_(elf) {}
  void Load(const ElfSection& table, const ElfSection& names, size_t max_symbols);
  std::string NameOf(uint32_t index) const;

  const ElfFile& elf_;
  uint64_t base_ = 0;
  uint64_t table_offset_ = 0;
  uint64_t names_offset_ = 0;
  uint64_t names_size_ = 0;
  size_t left_out_ = 0;
  std::vector<Entry> entries_;  // sorted by offset, one per address
};

}  // namespace pilotlight
