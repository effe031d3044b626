// Finding the Go tables in a file that may have lost its section headers, its symbols and its magic.
#include <elf.h>

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "objfile/go_symbols.h"

namespace pilotlight {
namespace {

// pcHeader of 64-bit targets, runtime/symtab.go.
struct PcHeader {
  uint32_t magic;
  uint8_t zero[2];
  uint8_t pc_quantum;
  uint8_t pointer_size;
  uint64_t function_count;
  uint64_t file_count;
  uint64_t text;  // always 0 since Go 1.26
  uint64_t names;
  uint64_t units;
  uint64_t files;
  uint64_t pc_tables;
  uint64_t functions;
};
static_assert(sizeof(PcHeader) == 0x48);

constexpr uint32_t kMagic118 = 0xfffffff0;
constexpr uint32_t kMagic120 = 0xfffffff1;
// The names follow the header, at the next 32 bytes in older versions.
constexpr uint64_t kMaxHeaderBytes = 0x80;
// A hostile file must not keep us busy: some hundred ms at most.
constexpr uint64_t kMaxFunctions = 2 << 20;
constexpr uint64_t kMaxScanBytes = uint64_t{512} << 20;  // of all segments together
constexpr uint64_t kMaxRelocationBytes = uint64_t{64} << 20;
constexpr int kMaxHeaderCandidates = 1000;

// Offsets in moduledata, the same from Go 1.18 on but for gofunc.
constexpr uint64_t kModuleNames = 8;
constexpr uint64_t kModuleUnits = 32;
constexpr uint64_t kModuleText = 176;
constexpr uint64_t kModuleEndOfText = 184;
constexpr uint64_t kModuleFunctionData118 = 304;
constexpr uint64_t kModuleFunctionData120 = 320;

bool LooksLikeHeader(const PcHeader& header) {
  return header.zero[0] == 0 && header.zero[1] == 0 &&
         (header.pc_quantum == 1 || header.pc_quantum == 2 || header.pc_quantum == 4) &&
         header.pointer_size == 8 && header.function_count > 0 && header.function_count <= kMaxFunctions &&
         header.names >= sizeof(PcHeader) && header.names <= kMaxHeaderBytes && header.names < header.units &&
         header.units < header.files && header.files < header.pc_tables &&
         header.pc_tables < header.functions;
}

// Calls visit(vaddr, word) for the 8-byte aligned words of [vaddr, vaddr + size) until it returns true or
// `budget` is spent.
template <typename Visit>
bool ScanWords(const ElfFile& elf, uint64_t vaddr, uint64_t size, uint64_t& budget, Visit visit) {
  const uint64_t skew = (8 - vaddr % 8) % 8;
  if (size < skew) return false;
  vaddr += skew;
  size = std::min(size - skew, budget);
  budget -= size;
  const std::optional<uint64_t> start = elf.VaddrToOffset(vaddr);
  if (!start.has_value()) return false;
  uint64_t done = 0;
  while (done + 8 <= size) {
    absl::string_view view = elf.bytes().View(*start + done).substr(0, size - done);
    if (view.size() < 8) {
      // A word that two blocks share: the file offset is not aligned like the address.
      const auto word = elf.bytes().Read<uint64_t>(*start + done);
      if (!word.has_value()) return false;
      if (visit(vaddr + done, *word)) return true;
      done += 8;
      continue;
    }
    const size_t words = view.size() / 8;
    for (size_t i = 0; i < words; ++i) {
      uint64_t word;
      std::memcpy(&word, view.data() + i * 8, sizeof(word));
      if (visit(vaddr + done + i * 8, word)) return true;
    }
    done += words * 8;
  }
  return false;
}

// Words of the file as the dynamic linker leaves them when the file is loaded at address 0.
class RelocatedWords {
 public:
  explicit RelocatedWords(const ElfFile& elf) : elf_(elf) {
    const std::optional<uint64_t> address = elf.DynamicValue(DT_RELA);
    const std::optional<uint64_t> size = elf.DynamicValue(DT_RELASZ);
    if (!address.has_value() || !size.has_value()) return;
    vaddr_ = *address;
    count_ = std::min({*size, elf.BytesAt(*address), kMaxRelocationBytes}) / sizeof(Elf64_Rela);
  }

  bool empty() const { return count_ == 0; }

  // Calls visit(vaddr of the word, its value).
  template <typename Visit>
  void ForEach(Visit visit) const {
    const std::optional<uint64_t> offset = elf_.VaddrToOffset(vaddr_);
    if (!offset.has_value()) return;
    for (uint64_t i = 0; i < count_; ++i) {
      const auto entry = elf_.bytes().Read<Elf64_Rela>(*offset + i * sizeof(Elf64_Rela));
      if (!entry.has_value()) return;
      const uint64_t type = ELF64_R_TYPE(entry->r_info);
      if (type == R_X86_64_RELATIVE || type == R_AARCH64_RELATIVE) {
        visit(entry->r_offset, static_cast<uint64_t>(entry->r_addend));
      }
    }
  }

  // Fills in `words` at [vaddr, vaddr + 8 * count), from the file and over that from the relocations.
  void Read(uint64_t vaddr, uint64_t* words, size_t count) const {
    for (size_t i = 0; i < count; ++i) words[i] = elf_.ReadAt<uint64_t>(vaddr + i * 8).value_or(0);
    ForEach([&](uint64_t at, uint64_t value) {
      if (at >= vaddr && at - vaddr < count * 8 && (at - vaddr) % 8 == 0) words[(at - vaddr) / 8] = value;
    });
  }

 private:
  const ElfFile& elf_;
  uint64_t vaddr_ = 0;
  uint64_t count_ = 0;
};

// Which _func layout makes the records of the first functions follow each other without gaps; the difference
// is the startLine field that Go 1.20 added. The magic says the same, but garble overwrites it.
std::optional<GoTables::Layout> LayoutByStructure(const ElfFile& elf, const GoTables& tables) {
  constexpr uint32_t kTried = 64;
  uint32_t fits118 = 0;
  uint32_t fits120 = 0;
  const uint64_t table = tables.header + tables.functions;
  for (uint32_t i = 0; i < std::min(kTried, tables.function_count - 1); ++i) {
    const auto offset = elf.ReadAt<uint32_t>(table + uint64_t{i} * 8 + 4);
    const auto next = elf.ReadAt<uint32_t>(table + uint64_t{i} * 8 + 12);
    if (!offset.has_value() || !next.has_value() || *next <= *offset) continue;
    std::array<uint8_t, 44> record;
    if (!elf.ReadAt(table + *offset, record.data(), record.size())) continue;
    uint32_t pc_data_count;
    std::memcpy(&pc_data_count, record.data() + 28, sizeof(pc_data_count));
    const uint64_t length = *next - *offset;
    const auto fits = [&](uint64_t size, uint8_t function_data_count) {
      const uint64_t expected = size + 4 * (uint64_t{pc_data_count} + function_data_count);
      return expected == length || (expected + 7) / 8 * 8 == length;
    };
    fits118 += fits(40, record[39]) ? 1 : 0;
    fits120 += fits(44, record[43]) ? 1 : 0;
  }
  if (fits118 == fits120) return std::nullopt;
  return fits120 > fits118 ? GoTables::Layout::kGo120 : GoTables::Layout::kGo118;
}

// The header at `vaddr` as tables, when all that it states lies within `limit` bytes.
absl::StatusOr<GoTables> ReadHeader(const ElfFile& elf, uint64_t vaddr, uint64_t limit) {
  const auto header = elf.ReadAt<PcHeader>(vaddr);
  if (!header.has_value() || !LooksLikeHeader(*header)) return absl::NotFoundError("no Go function table");
  GoTables tables;
  tables.header = vaddr;
  tables.size = std::min(limit, elf.BytesAt(vaddr));
  tables.pc_quantum = header->pc_quantum;
  tables.function_count = static_cast<uint32_t>(header->function_count);
  tables.names = header->names;
  tables.units = header->units;
  tables.files = header->files;
  tables.pc_tables = header->pc_tables;
  tables.functions = header->functions;
  tables.text = header->text;
  const uint64_t function_table_bytes = uint64_t{tables.function_count} * 8 + 4;
  if (tables.functions >= tables.size || tables.size - tables.functions < function_table_bytes) {
    return absl::InvalidArgumentError("the Go function table leaves its segment");
  }
  if (header->magic == kMagic118) {
    tables.layout = GoTables::Layout::kGo118;
  } else if (header->magic == kMagic120) {
    tables.layout = GoTables::Layout::kGo120;
  } else if (const auto layout = LayoutByStructure(elf, tables); layout.has_value()) {
    tables.layout = *layout;
  } else {
    return absl::InvalidArgumentError("a Go function table of unknown layout");
  }
  return tables;
}

absl::StatusOr<GoTables> FindHeader(const ElfFile& elf) {
  for (const absl::string_view name : {".gopclntab", ".data.rel.ro.gopclntab"}) {
    const ElfSection* section = elf.FindSection(name);
    if (section == nullptr) continue;
    absl::StatusOr<GoTables> tables = ReadHeader(elf, section->vaddr, section->size);
    if (!absl::IsNotFound(tables.status())) return tables;
  }
  // An externally linked PIE has the table inside .data.rel.ro. Only files that are likely Go are searched.
  if (!elf.has_go_marker() && !elf.sections().empty()) return absl::NotFoundError("not a Go binary");
  absl::StatusOr<GoTables> found = absl::NotFoundError("no Go function table");
  uint64_t budget = kMaxScanBytes;
  int candidates = 0;
  for (const ElfSegment& segment : elf.segments()) {
    ScanWords(elf, segment.vaddr, segment.file_size, budget, [&](uint64_t vaddr, uint64_t word) {
      const uint64_t upper = word >> 32;  // bytes 4 to 7: 0, 0, the quantum, the pointer size
      if (upper != 0x08010000 && upper != 0x08020000 && upper != 0x08040000) return false;
      // Reading the header may evict the block under scan, but only to read it again.
      absl::StatusOr<GoTables> tables = ReadHeader(elf, vaddr, UINT64_MAX);
      if (!tables.ok()) return ++candidates >= kMaxHeaderCandidates;
      found = std::move(tables);
      return true;
    });
    if (found.ok() || candidates >= kMaxHeaderCandidates) break;
  }
  return found;
}

std::optional<uint64_t> FindModuleData(const ElfFile& elf, const RelocatedWords& relocated,
                                       const GoTables& tables) {
  const uint64_t names = tables.header + tables.names;
  const uint64_t units = tables.header + tables.units;
  std::optional<uint64_t> found;
  // Position-independent files have the words in the relocations.
  if (!relocated.empty()) {
    absl::flat_hash_map<uint64_t, int> matches;  // by the address where moduledata would be
    constexpr size_t kMaxCandidates = 4096;
    relocated.ForEach([&](uint64_t at, uint64_t value) {
      uint64_t candidate = 0;
      if (value == tables.header) {
        candidate = at;
      } else if (value == names) {
        candidate = at - kModuleNames;
      } else if (value == units) {
        candidate = at - kModuleUnits;
      } else {
        return;
      }
      if (matches.size() < kMaxCandidates && ++matches[candidate] == 3) found = candidate;
    });
    if (found.has_value()) return found;
  }
  uint64_t budget = kMaxScanBytes;
  int mismatches = 0;
  const auto scan = [&](uint64_t vaddr, uint64_t size) {
    return ScanWords(elf, vaddr, size, budget, [&](uint64_t at, uint64_t word) {
      if (word != tables.header) return false;
      if (elf.ReadAt<uint64_t>(at + kModuleNames) != names ||
          elf.ReadAt<uint64_t>(at + kModuleUnits) != units) {
        return ++mismatches >= kMaxHeaderCandidates;
      }
      found = at;
      return true;
    });
  };
  for (const absl::string_view name : {".go.module", ".noptrdata", ".data"}) {
    const ElfSection* section = elf.FindSection(name);
    if (section != nullptr && scan(section->vaddr, section->size)) return found;
  }
  for (const ElfSegment& segment : elf.segments()) {
    if (!segment.executable && scan(segment.vaddr, segment.file_size)) return found;
  }
  return found;
}

}  // namespace

absl::StatusOr<GoTables> FindGoTables(const ElfFile& elf) {
  ASSIGN_OR_RETURN(GoTables tables, FindHeader(elf));
  const RelocatedWords relocated(elf);
  const std::optional<uint64_t> module = FindModuleData(elf, relocated, tables);
  if (!module.has_value()) {
    // Up to Go 1.25 the header knows the text too; in a PIE that word is relocated.
    relocated.Read(tables.header + offsetof(PcHeader, text), &tables.text, 1);
    if (tables.text == 0) return absl::InvalidArgumentError("Go function table without moduledata");
    return tables;
  }
  const uint64_t function_data =
      tables.layout == GoTables::Layout::kGo118 ? kModuleFunctionData118 : kModuleFunctionData120;
  std::array<uint64_t, kModuleFunctionData120 / 8 + 1> words;
  relocated.Read(*module, words.data(), words.size());
  if (words[kModuleEndOfText / 8] <= words[kModuleText / 8])
    return absl::InvalidArgumentError("broken moduledata");
  tables.text = words[kModuleText / 8];
  tables.function_data = words[function_data / 8];
  return tables;
}

std::string ReadGoVersion(const ElfFile& elf) {
  // debug/buildinfo/buildinfo.go: a magic, the pointer size, flags; flag 2 says that the version follows at
  // 32 as a varint length and bytes. Always so since Go 1.18.
  constexpr absl::string_view kMagic("\xff Go buildinf:", 14);
  constexpr uint8_t kInlineStrings = 2;
  constexpr size_t kMaxVersion = 64;
  const auto read = [&](uint64_t vaddr) -> std::string {
    std::array<char, 33> header;
    if (!elf.ReadAt(vaddr, header.data(), header.size())) return "";
    if (absl::string_view(header.data(), kMagic.size()) != kMagic) return "";
    const auto length = static_cast<uint8_t>(header[32]);
    if ((header[15] & kInlineStrings) == 0 || length > kMaxVersion) return "";
    std::string version(length, '\0');
    if (!elf.ReadAt(vaddr + header.size(), version.data(), version.size())) return "";
    return version;
  };
  if (const ElfSection* section = elf.FindSection(".go.buildinfo"); section != nullptr)
    return read(section->vaddr);
  if (!elf.sections().empty()) return "";
  std::string version;
  uint64_t magic;
  std::memcpy(&magic, kMagic.data(), sizeof(magic));
  uint64_t budget = kMaxScanBytes;
  for (const ElfSegment& segment : elf.segments()) {
    if (!segment.writable) continue;
    const bool found =
        ScanWords(elf, segment.vaddr, segment.file_size, budget, [&](uint64_t vaddr, uint64_t word) {
          if (word != magic) return false;
          version = read(vaddr);
          return !version.empty();
        });
    if (found) break;
  }
  return version;
}

}  // namespace pilotlight
