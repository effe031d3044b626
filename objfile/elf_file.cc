#include "objfile/elf_file.h"

#include <elf.h>
#include <gelf.h>
#include <libelf.h>
#include <xxhash.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace pilotlight {
namespace {

constexpr size_t kMaxSegments = 256;
constexpr size_t kMaxSections = 4096;
constexpr uint64_t kMaxNoteBytes = 256 << 10;  // of all notes together
constexpr size_t kMaxSectionName = 256;

struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfEnd>;

void InitializeLibelf() {
  static std::once_flag once;
  std::call_once(once, [] { elf_version(EV_CURRENT); });
}

// What of [offset, offset + size) lies in a file of `file_size` bytes.
uint64_t CutToFile(uint64_t offset, uint64_t size, uint64_t file_size) {
  return offset >= file_size ? 0 : std::min(size, file_size - offset);
}

bool IsPrintable(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

uint64_t AlignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ElfFile>> ElfFile::FromFd(UniqueFd fd, std::shared_ptr<BlockCache> cache) {
  InitializeLibelf();
  ASSIGN_OR_RETURN(std::unique_ptr<FileBytes> bytes, FileBytes::Create(std::move(fd), std::move(cache)));
  const ElfHandle elf(elf_begin(bytes->fd(), ELF_C_READ, nullptr));
  if (elf == nullptr) return absl::InvalidArgumentError(absl::StrCat("not an ELF file: ", elf_errmsg(-1)));
  std::unique_ptr<ElfFile> file(new ElfFile(std::move(bytes)));
  RETURN_IF_ERROR(file->ReadHeaders(elf.get()));
  file->ReadSections(elf.get());
  file->Identify();
  return file;
}

absl::StatusOr<std::unique_ptr<ElfFile>> ElfFile::FromBytes(absl::string_view bytes) {
  return FromMemory(std::make_unique<MemoryBytes>(bytes));
}

absl::StatusOr<std::unique_ptr<ElfFile>> ElfFile::FromOwnedBytes(std::string bytes) {
  const size_t size = bytes.size();
  ASSIGN_OR_RETURN(std::unique_ptr<ElfFile> file,
                   FromMemory(std::make_unique<MemoryBytes>(std::move(bytes))));
  file->owned_bytes_ = size;
  return file;
}

absl::StatusOr<std::unique_ptr<ElfFile>> ElfFile::FromMemory(std::unique_ptr<MemoryBytes> bytes) {
  InitializeLibelf();
  const absl::string_view image = bytes->View(0);
  if (image.empty()) return absl::InvalidArgumentError("not an ELF file: empty");
  // libelf takes a non-const image, but writes only after elf_update().
  const ElfHandle elf(elf_memory(const_cast<char*>(image.data()), image.size()));
  if (elf == nullptr) return absl::InvalidArgumentError(absl::StrCat("not an ELF file: ", elf_errmsg(-1)));
  std::unique_ptr<ElfFile> file(new ElfFile(std::move(bytes)));
  RETURN_IF_ERROR(file->ReadHeaders(elf.get()));
  file->ReadSections(elf.get());
  file->Identify();
  return file;
}

absl::Status ElfFile::ReadHeaders(void* handle) {
  auto* elf = static_cast<Elf*>(handle);
  if (elf_kind(elf) != ELF_K_ELF) return absl::InvalidArgumentError("not an ELF file");
  GElf_Ehdr header;
  if (gelf_getehdr(elf, &header) == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("broken ELF header: ", elf_errmsg(-1)));
  }
  if (gelf_getclass(elf) != ELFCLASS64) return absl::UnimplementedError("a 32-bit ELF file");
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return absl::UnimplementedError("a big-endian ELF file");
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
    return absl::InvalidArgumentError("neither an executable nor a shared library");
  }
  position_independent_ = header.e_type == ET_DYN;
  machine_ = header.e_machine;

  size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) count = 0;
  for (size_t i = 0; i < std::min(count, kMaxSegments); ++i) {
    GElf_Phdr program;
    if (gelf_getphdr(elf, static_cast<int>(i), &program) == nullptr) break;
    const uint64_t file_size = CutToFile(program.p_offset, program.p_filesz, bytes_->size());
    const ElfSegment segment{.vaddr = program.p_vaddr,
                             .offset = program.p_offset,
                             .file_size = file_size,
                             .memory_size = program.p_memsz,
                             .executable = (program.p_flags & PF_X) != 0,
                             .writable = (program.p_flags & PF_W) != 0};
    const bool wraps = program.p_vaddr + std::max(file_size, program.p_memsz) < program.p_vaddr;
    if (program.p_type == PT_LOAD && !wraps) segments_.push_back(segment);
    if (program.p_type == PT_NOTE) notes_.push_back(segment);
    if (program.p_type == PT_DYNAMIC) {
      dynamic_offset_ = program.p_offset;
      dynamic_size_ = file_size;
    }
  }
  if (segments_.empty()) return absl::InvalidArgumentError("no loadable segment");
  return absl::OkStatus();
}

void ElfFile::ReadSections(void* handle) {
  auto* elf = static_cast<Elf*>(handle);
  size_t count = 0;
  size_t names_index = 0;
  if (elf_getshdrnum(elf, &count) != 0 || elf_getshdrstrndx(elf, &names_index) != 0) return;
  if (count > kMaxSections) return;
  std::vector<uint32_t> name_offsets;
  for (size_t i = 0; i < count; ++i) {
    Elf_Scn* section = elf_getscn(elf, i);
    GElf_Shdr header;
    if (section == nullptr || gelf_getshdr(section, &header) == nullptr) break;
    const bool has_bytes = header.sh_type != SHT_NOBITS && header.sh_type != SHT_NULL;
    sections_.push_back({.name = "",
                         .type = header.sh_type,
                         .flags = header.sh_flags,
                         .vaddr = header.sh_addr,
                         .offset = header.sh_offset,
                         .size = has_bytes ? CutToFile(header.sh_offset, header.sh_size, bytes_->size()) : 0,
                         .entry_size = header.sh_entsize,
                         .link = header.sh_link});
    name_offsets.push_back(header.sh_name);
  }
  if (names_index >= sections_.size()) return;
  const ElfSection names = sections_[names_index];
  for (size_t i = 0; i < sections_.size(); ++i) {
    if (name_offsets[i] >= names.size) continue;
    const uint64_t room = names.size - name_offsets[i];
    sections_[i].name =
        bytes_->ReadCString(names.offset + name_offsets[i], std::min<uint64_t>(room, kMaxSectionName));
  }
  sections_.shrink_to_fit();
}

void ElfFile::ReadNotes(uint64_t offset, uint64_t size, uint64_t& budget, std::string& gnu_build_id,
                        std::string& go_build_id) {
  constexpr uint32_t kGoBuildIdNote = 4;  // cmd/link/internal/ld/elf.go: ELF_NOTE_GOBUILDID_TAG
  constexpr size_t kMaxGnuBuildId = 64;
  constexpr size_t kMaxGoBuildId = 256;
  size = std::min(size, budget);
  budget -= size;
  const uint64_t end = offset + size;
  while (offset + sizeof(Elf64_Nhdr) <= end) {
    const std::optional<Elf64_Nhdr> note = bytes_->Read<Elf64_Nhdr>(offset);
    if (!note.has_value()) return;
    const uint64_t name_offset = offset + sizeof(Elf64_Nhdr);
    const uint64_t value_offset = name_offset + AlignUp(note->n_namesz, 4);
    const uint64_t next = value_offset + AlignUp(note->n_descsz, 4);
    if (next > AlignUp(end, 4)) return;
    char name[4] = {};
    if (note->n_namesz == sizeof(name) && bytes_->Read(name_offset, name, sizeof(name))) {
      const absl::string_view owner(name, sizeof(name));
      const bool gnu = owner == absl::string_view("GNU\0", 4) && note->n_type == NT_GNU_BUILD_ID &&
                       note->n_descsz > 0 && note->n_descsz <= kMaxGnuBuildId;
      const bool go = owner == absl::string_view("Go\0\0", 4) && note->n_type == kGoBuildIdNote;
      if (go) has_go_marker_ = true;
      if (gnu || (go && note->n_descsz <= kMaxGoBuildId)) {
        std::string value(note->n_descsz, '\0');
        if (bytes_->Read(value_offset, value.data(), value.size())) {
          if (gnu && gnu_build_id.empty()) gnu_build_id = absl::BytesToHexString(value);
          if (go && go_build_id.empty()) go_build_id = value;
        }
      }
    }
    offset = next;
  }
}

void ElfFile::Identify() {
  std::string gnu_build_id;
  std::string go_build_id;
  uint64_t budget = kMaxNoteBytes;
  for (const ElfSegment& note : notes_)
    ReadNotes(note.offset, note.file_size, budget, gnu_build_id, go_build_id);
  for (const ElfSection& section : sections_) {
    if (section.type == SHT_NOTE) ReadNotes(section.offset, section.size, budget, gnu_build_id, go_build_id);
    if (section.name == ".gopclntab" || section.name == ".go.buildinfo" || section.name == ".go.module" ||
        section.name == ".data.rel.ro.gopclntab" || section.name == ".note.go.buildid") {
      has_go_marker_ = true;
    }
  }
  notes_.clear();
  notes_.shrink_to_fit();
  if (!gnu_build_id.empty()) {
    build_id_ = gnu_build_id;
    return;
  }
  if (!go_build_id.empty() && IsPrintable(go_build_id)) {
    build_id_ = absl::StrCat("go:", go_build_id);
    return;
  }
  // Two builds of a program differ nearly everywhere, so a few blocks tell them apart.
  constexpr uint64_t kBlocks = 16;
  const uint64_t size = bytes_->size();
  std::string sample;
  for (uint64_t i = 0; i <= kBlocks; ++i) {
    const uint64_t last = size > BlockCache::kBlockBytes ? size - BlockCache::kBlockBytes : 0;
    std::string block(std::min<uint64_t>(size, BlockCache::kBlockBytes), '\0');
    if (bytes_->Read(i == kBlocks ? last : last / kBlocks * i, block.data(), block.size())) sample += block;
  }
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits_withSeed(sample.data(), sample.size(), size));
  const absl::string_view digest(reinterpret_cast<const char*>(hash.digest), sizeof(hash.digest));
  build_id_ = absl::StrCat("xxh3:", absl::BytesToHexString(digest));
}

const ElfSection* ElfFile::FindSection(absl::string_view name) const {
  for (const ElfSection& section : sections_) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

std::optional<uint64_t> ElfFile::DynamicValue(int64_t tag) const {
  constexpr uint64_t kMaxEntries = 4096;
  const uint64_t entries = std::min(dynamic_size_ / sizeof(Elf64_Dyn), kMaxEntries);
  for (uint64_t i = 0; i < entries; ++i) {
    const auto entry = bytes_->Read<Elf64_Dyn>(dynamic_offset_ + i * sizeof(Elf64_Dyn));
    if (!entry.has_value() || entry->d_tag == DT_NULL) break;
    if (entry->d_tag == tag) return entry->d_un.d_val;
  }
  return std::nullopt;
}

std::optional<uint64_t> ElfFile::OffsetToVaddr(uint64_t offset) const {
  const ElfSegment* found = nullptr;
  for (const ElfSegment& segment : segments_) {
    if (offset < segment.offset || offset - segment.offset >= segment.file_size) continue;
    if (found == nullptr || (segment.executable && !found->executable)) found = &segment;
  }
  if (found == nullptr) return std::nullopt;
  return found->vaddr + (offset - found->offset);
}

std::optional<uint64_t> ElfFile::VaddrToOffset(uint64_t vaddr) const {
  for (const ElfSegment& segment : segments_) {
    if (vaddr >= segment.vaddr && vaddr - segment.vaddr < segment.file_size) {
      return segment.offset + (vaddr - segment.vaddr);
    }
  }
  return std::nullopt;
}

uint64_t ElfFile::BytesAt(uint64_t vaddr) const {
  for (const ElfSegment& segment : segments_) {
    if (vaddr >= segment.vaddr && vaddr - segment.vaddr < segment.file_size) {
      return segment.file_size - (vaddr - segment.vaddr);
    }
  }
  return 0;
}

bool ElfFile::ReadAt(uint64_t vaddr, void* to, size_t count) const {
  const std::optional<uint64_t> offset = VaddrToOffset(vaddr);
  return offset.has_value() && count <= BytesAt(vaddr) && bytes_->Read(*offset, to, count);
}

size_t ElfFile::byte_size() const {
  size_t bytes = sizeof(*this) + sizeof(FileBytes) + owned_bytes_ + build_id_.capacity() +
                 segments_.capacity() * sizeof(ElfSegment) + sections_.capacity() * sizeof(ElfSection);
  for (const ElfSection& section : sections_)
    bytes += section.name.capacity() > 15 ? section.name.capacity() : 0;
  return bytes;
}

}  // namespace pilotlight
