// The smallest ELF file with Go tables: four functions, one with two calls inlined into each other.
#pragma once

#include <elf.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace pilotlight {

struct GoImageOptions {
  bool go118 = false;                 // the layouts before Go 1.20
  uint32_t magic = 0;                 // 0: the right one
  bool position_independent = false;  // words of moduledata only in relocations
  bool section_headers = true;
  bool text_in_header = true;  // false since Go 1.26
};

// Text of the image: main.first [0, 0x40), main.second [0x40, 0x80), runtime.mcall [0x80, 0xc0) and one
// without a name [0xc0, 0x100). In main.second [0x50, 0x60) is main.inner, inlined into main.outer, inlined
// there.
class GoImage {
 public:
  static constexpr uint64_t kText = 0x401000;
  static constexpr uint64_t kTables = 0x402000;
  static constexpr uint64_t kData = 0x403000;

  explicit GoImage(const GoImageOptions& options = {}) : options_(options) { Build(); }
  const std::string& bytes() const { return bytes_; }
  // Where the tables are in the file.
  static constexpr size_t kTablesOffset = 0x2000;
  // Offsets from there.
  size_t functions_offset() const { return functions_; }
  size_t pc_tables_offset() const { return pc_tables_; }

 private:
  static constexpr uint64_t kTextOffset = 0x1000;
  static constexpr uint64_t kDataOffset = 0x3000;
  static constexpr uint64_t kRelocations = kData + 0x400;
  static constexpr uint64_t kDynamic = kData + 0x800;

  template <typename T>
  static void Append(std::string& to, T value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  template <typename T>
  void Put(size_t offset, T value) {
    if (bytes_.size() < offset + sizeof(value)) bytes_.resize(offset + sizeof(value));
    std::memcpy(bytes_.data() + offset, &value, sizeof(value));
  }
  template <size_t kSize>
  static std::string Text(const char (&literal)[kSize]) {
    return std::string(literal, kSize - 1);
  }
  static void Align(std::string& text) { text.resize((text.size() + 7) / 8 * 8); }

  // Entries of a pc-value table: (value, length in bytes), runtime.step.
  static uint32_t AddPcTable(std::string& tables, const std::vector<std::pair<int32_t, uint32_t>>& runs) {
    const auto at = static_cast<uint32_t>(tables.size());
    int32_t value = -1;
    for (const auto& [next, length] : runs) {
      const int32_t delta = next - value;
      tables.push_back(static_cast<char>((delta << 1) ^ (delta >> 31)));
      tables.push_back(static_cast<char>(length));
      value = next;
    }
    tables.push_back('\0');
    return at;
  }

  void Build() {
    const std::string names = Text("\0main.first\0main.second\0runtime.mcall\0main.inner\0main.outer\0");
    const auto name = [&](const char* wanted) {
      return static_cast<uint32_t>(names.find(std::string("\0", 1) + wanted + std::string("\0", 1)) + 1);
    };
    const std::string files = Text("/src/a.go\0/src/b.go\0");
    std::string pc_tables("\0", 1);
    const uint32_t file_table = AddPcTable(pc_tables, {{0, 0x10}, {1, 0x10}, {0, 0x20}});
    const uint32_t line_table = AddPcTable(pc_tables, {{10, 0x10}, {20, 0x10}, {11, 0x20}});
    const uint32_t inline_table = AddPcTable(pc_tables, {{-1, 0x10}, {1, 0x8}, {0, 0x8}, {-1, 0x20}});

    const bool old = options_.go118;
    std::string records;
    std::string index;
    const size_t index_bytes = 4 * 8 + 8;
    const std::array<const char*, 4> functions = {"main.first", "main.second", "runtime.mcall", ""};
    for (uint32_t i = 0; i < functions.size(); ++i) {
      Append<uint32_t>(index, i * 0x40);
      Append<uint32_t>(index, static_cast<uint32_t>(index_bytes + records.size()));
      const bool has_inlined = i == 1;
      Append<uint32_t>(records, i * 0x40);
      Append<uint32_t>(records, functions[i][0] == '\0' ? 0 : name(functions[i]));
      for (int j = 0; j < 3; ++j) Append<uint32_t>(records, 0);  // args, deferreturn, pcsp
      Append<uint32_t>(records, file_table);
      Append<uint32_t>(records, line_table);
      Append<uint32_t>(records, has_inlined ? 3 : 0);  // npcdata
      Append<uint32_t>(records, 0);                    // cuOffset
      if (!old) Append<uint32_t>(records, 9);          // startLine
      const uint32_t mcall = old ? 11 : 12;
      const uint32_t id = i >= 2 ? mcall : i == 0 ? 22 : 0;  // 22 is that of wrappers since Go 1.22
      Append<uint32_t>(records, (old && i == 0 ? 0 : id) | (has_inlined ? 4U << 24 : 0));
      if (has_inlined) {
        for (const uint32_t pc_data : {0U, 0U, inline_table}) Append<uint32_t>(records, pc_data);
        for (const uint32_t function_data : {UINT32_MAX, UINT32_MAX, UINT32_MAX, 0U}) {
          Append<uint32_t>(records, function_data);
        }
      }
      Align(records);
    }
    Append<uint32_t>(index, 0x100);
    Append<uint32_t>(index, 0);

    std::string inline_tree;  // 0: main.outer, called at 0x48; 1: main.inner, called at 0x58 (in main.outer)
    const auto add_call = [&](const char* function, uint32_t parent_pc) {
      if (old) {
        for (int j = 0; j < 3; ++j) Append<uint32_t>(inline_tree, 0);
        Append<uint32_t>(inline_tree, name(function));
        Append<uint32_t>(inline_tree, parent_pc);
      } else {
        Append<uint32_t>(inline_tree, 0);
        Append<uint32_t>(inline_tree, name(function));
        Append<uint32_t>(inline_tree, parent_pc);
        Append<uint32_t>(inline_tree, 5);
      }
    };
    add_call("main.outer", 0x8);
    add_call("main.inner", 0x18);

    // pcHeader, names, units, files, pc tables, functions; then the inline tree.
    std::string tables(old ? 0x60 : 0x48, '\0');
    std::array<uint64_t, 5> offsets{};
    std::string units;
    Append<uint32_t>(units, 0);
    Append<uint32_t>(units, 10);
    const std::array<const std::string*, 4> parts = {&names, &units, &files, &pc_tables};
    for (size_t i = 0; i < parts.size(); ++i) {
      offsets[i] = tables.size();
      tables += *parts[i];
      Align(tables);
    }
    offsets[4] = functions_ = tables.size();
    pc_tables_ = offsets[3];
    tables += index + records;
    const uint64_t function_data = kTables + tables.size();
    tables += inline_tree;
    const auto set = [&](size_t offset, auto value) {
      std::memcpy(tables.data() + offset, &value, sizeof(value));
    };
    set(0, options_.magic != 0 ? options_.magic : old ? 0xfffffff0U : 0xfffffff1U);
    tables[6] = 1;
    tables[7] = 8;
    set(8, uint64_t{functions.size()});
    set(16, uint64_t{2});
    set(24, options_.text_in_header && !options_.position_independent ? kText : uint64_t{0});
    for (size_t i = 0; i < offsets.size(); ++i) set(32 + i * 8, offsets[i]);

    std::vector<std::pair<uint64_t, uint64_t>> words;  // address, value
    if (options_.text_in_header) words.emplace_back(kTables + 24, kText);
    words.emplace_back(kData, kTables);
    for (size_t i = 0; i < offsets.size(); ++i) words.emplace_back(kData + 8 + i * 24, kTables + offsets[i]);
    words.emplace_back(kData + 176, kText);
    words.emplace_back(kData + 184, kText + 0x100);
    words.emplace_back(kData + (old ? 304 : 320), function_data);
    WriteFile(tables, words);
  }

  void WriteFile(const std::string& tables, const std::vector<std::pair<uint64_t, uint64_t>>& words) {
    bytes_.assign(kDataOffset + 0x900, '\0');
    std::memcpy(bytes_.data() + kTablesOffset, tables.data(), tables.size());
    for (size_t i = 0; i < words.size(); ++i) {
      if (!options_.position_independent) {
        if (words[i].first >= kData) Put(kDataOffset + words[i].first - kData, words[i].second);
        continue;
      }
      Put(kRelocations - kData + kDataOffset + i * sizeof(Elf64_Rela),
          Elf64_Rela{.r_offset = words[i].first,
                     .r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE),
                     .r_addend = static_cast<Elf64_Sxword>(words[i].second)});
    }
    const std::array<Elf64_Dyn, 3> dynamic = {
        Elf64_Dyn{.d_tag = DT_RELA, .d_un = {.d_val = kRelocations}},
        Elf64_Dyn{.d_tag = DT_RELASZ, .d_un = {.d_val = words.size() * sizeof(Elf64_Rela)}},
        Elf64_Dyn{.d_tag = DT_NULL, .d_un = {.d_val = 0}}};
    if (options_.position_independent) Put(kDynamic - kData + kDataOffset, dynamic);

    std::vector<Elf64_Phdr> segments = {Segment(PT_LOAD, PF_R | PF_X, kTextOffset, kText, 0x100),
                                        Segment(PT_LOAD, PF_R, kTablesOffset, kTables, tables.size()),
                                        Segment(PT_LOAD, PF_R | PF_W, kDataOffset, kData, 0x900)};
    if (options_.position_independent) {
      segments.push_back(
          Segment(PT_DYNAMIC, PF_R | PF_W, kDynamic - kData + kDataOffset, kDynamic, sizeof(dynamic)));
    }
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = options_.position_independent ? ET_DYN : ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof(Elf64_Ehdr);
    header.e_ehsize = sizeof(Elf64_Ehdr);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<Elf64_Half>(segments.size());
    header.e_shentsize = sizeof(Elf64_Shdr);
    if (options_.section_headers) {
      const std::string names = Text("\0.gopclntab\0.shstrtab\0");
      const size_t names_offset = bytes_.size();
      bytes_ += names;
      Align(bytes_);
      header.e_shoff = bytes_.size();
      header.e_shnum = 3;
      header.e_shstrndx = 2;
      Put(bytes_.size(), Elf64_Shdr{});
      Put(bytes_.size(), Section(1, SHT_PROGBITS, kTables, kTablesOffset, tables.size()));
      Put(bytes_.size(), Section(12, SHT_STRTAB, 0, names_offset, names.size()));
    }
    Put(0, header);
    for (size_t i = 0; i < segments.size(); ++i) Put(sizeof(header) + i * sizeof(Elf64_Phdr), segments[i]);
  }

  static Elf64_Phdr Segment(uint32_t type, uint32_t flags, uint64_t offset, uint64_t vaddr, uint64_t size) {
    Elf64_Phdr segment{};
    segment.p_type = type;
    segment.p_flags = flags;
    segment.p_offset = offset;
    segment.p_vaddr = vaddr;
    segment.p_filesz = size;
    segment.p_memsz = size;
    return segment;
  }
  static Elf64_Shdr Section(uint32_t name, uint32_t type, uint64_t vaddr, uint64_t offset, uint64_t size) {
    Elf64_Shdr section{};
    section.sh_name = name;
    section.sh_type = type;
    section.sh_addr = vaddr;
    section.sh_offset = offset;
    section.sh_size = size;
    return section;
  }

  const GoImageOptions options_;
  std::string bytes_;
  size_t functions_ = 0;
  size_t pc_tables_ = 0;
};

}  // namespace pilotlight
