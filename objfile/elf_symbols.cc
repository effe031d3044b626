#include "objfile/elf_symbols.h"

#include <elf.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "objfile/source_frame.h"

namespace pilotlight {
namespace {

bool IsFunction(const Elf64_Sym& symbol) {
  const int type = ELF64_ST_TYPE(symbol.st_info);
  return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol.st_shndx != SHN_UNDEF && symbol.st_value != 0;
}

// Among several names of one address: what other files may link to is what people know it by.
int Preference(const Elf64_Sym& symbol) {
  const int binding = ELF64_ST_BIND(symbol.st_info);
  const int by_binding = binding == STB_GLOBAL ? 2 : binding == STB_WEAK ? 1 : 0;
  return (symbol.st_size > 0 ? 4 : 0) + by_binding;
}

size_t LeadingUnderscores(absl::string_view name) {
  return std::min(name.find_first_not_of('_'), name.size());
}

}  // namespace

absl::StatusOr<std::unique_ptr<ElfSymbols>> ElfSymbols::Create(const ElfFile& elf, size_t max_symbols) {
  std::unique_ptr<ElfSymbols> symbols(new ElfSymbols(elf));
  for (const uint32_t type : {uint32_t{SHT_SYMTAB}, uint32_t{SHT_DYNSYM}}) {
    for (const ElfSection& section : elf.sections()) {
      if (section.type != type || section.link >= elf.sections().size()) continue;
      symbols->Load(section, elf.sections()[section.link], max_symbols);
      if (symbols->size() > 0) return symbols;
    }
  }
  return absl::NotFoundError("no function symbols");
}

void ElfSymbols::Load(const ElfSection& table, const ElfSection& names, size_t max_symbols) {
  table_offset_ = table.offset;
  names_offset_ = names.offset;
  names_size_ = names.size;
  left_out_ = 0;
  entries_.clear();
  constexpr uint64_t kMaxEntries = 8 << 20;  // a sparse file may claim any number
  constexpr size_t kMaxAliases = 16;
  const uint64_t count = std::min(table.size / sizeof(Elf64_Sym), kMaxEntries);

  uint64_t lowest = UINT64_MAX;
  size_t functions = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const auto symbol = elf_.bytes().Read<Elf64_Sym>(table_offset_ + i * sizeof(Elf64_Sym));
    if (!symbol.has_value()) break;
    if (!IsFunction(*symbol)) continue;
    lowest = std::min(lowest, symbol->st_value);
    ++functions;
  }
  base_ = lowest;
  struct Candidate {
    uint32_t offset;
    uint32_t index;
    int preference;
  };
  std::vector<Candidate> candidates;
  candidates.reserve(std::min(functions, max_symbols));
  for (uint64_t i = 0; i < count; ++i) {
    const auto symbol = elf_.bytes().Read<Elf64_Sym>(table_offset_ + i * sizeof(Elf64_Sym));
    if (!symbol.has_value()) break;
    if (!IsFunction(*symbol)) continue;
    if (candidates.size() == max_symbols || symbol->st_value - base_ > UINT32_MAX) {
      ++left_out_;
      continue;
    }
    candidates.push_back({.offset = static_cast<uint32_t>(symbol->st_value - base_),
                          .index = static_cast<uint32_t>(i),
                          .preference = Preference(*symbol)});
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    if (a.offset != b.offset) return a.offset < b.offset;
    return a.preference != b.preference ? a.preference > b.preference : a.index < b.index;
  });
  for (size_t i = 0; i < candidates.size();) {
    const Candidate& first = candidates[i];
    Entry best{.offset = first.offset, .index = first.index};
    std::string best_name;
    size_t aliases = 0;
    for (++i; i < candidates.size() && candidates[i].offset == first.offset; ++i) {
      if (candidates[i].preference != first.preference || ++aliases > kMaxAliases) continue;
      if (best_name.empty()) best_name = NameOf(best.index);
      std::string name = NameOf(candidates[i].index);
      if (LeadingUnderscores(name) >= LeadingUnderscores(best_name)) continue;
      best.index = candidates[i].index;
      best_name = std::move(name);
    }
    entries_.push_back(best);
  }
  entries_.shrink_to_fit();
}

std::string ElfSymbols::NameOf(uint32_t index) const {
  const auto symbol = elf_.bytes().Read<Elf64_Sym>(table_offset_ + uint64_t{index} * sizeof(Elf64_Sym));
  if (!symbol.has_value() || symbol->st_name >= names_size_) return "";
  const uint64_t room = names_size_ - symbol->st_name;
  return elf_.bytes().ReadCString(names_offset_ + symbol->st_name, std::min<uint64_t>(room, kMaxSymbolBytes));
}

std::optional<ElfSymbols::Symbol> ElfSymbols::Find(uint64_t vaddr) const {
  if (vaddr < base_ || vaddr - base_ > UINT32_MAX) return std::nullopt;
  const auto offset = static_cast<uint32_t>(vaddr - base_);
  auto entry = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                [](uint32_t value, const Entry& e) { return value < e.offset; });
  // A function inside another's range (a cold part, an entry point in assembler) hides it only as far as it
  // reaches.
  constexpr int kMaxNesting = 8;
  for (int tried = 0; tried < kMaxNesting && entry != entries_.begin(); ++tried) {
    --entry;
    const auto symbol =
        elf_.bytes().Read<Elf64_Sym>(table_offset_ + uint64_t{entry->index} * sizeof(Elf64_Sym));
    if (!symbol.has_value()) return std::nullopt;
    const uint64_t distance = vaddr - symbol->st_value;
    bool holds = distance < symbol->st_size;
    if (symbol->st_size == 0 && tried == 0 && symbol->st_shndx < elf_.sections().size()) {
      const ElfSection& section = elf_.sections()[symbol->st_shndx];
      holds = vaddr >= section.vaddr && vaddr - section.vaddr < section.size;
    }
    if (!holds) continue;
    Symbol found{.vaddr = symbol->st_value, .size = symbol->st_size, .name = ""};
    found.name = NameOf(entry->index);
    if (found.name.empty()) return std::nullopt;
    return found;
  }
  return std::nullopt;
}

}  // namespace pilotlight
