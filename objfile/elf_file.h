// An ELF executable or shared library: where its parts are, and its identity.
// Pure reading of foreign bytes: nothing here trusts a number of the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "objfile/byte_source.h"

namespace pilotlight {

// A PT_LOAD of the program headers (elf(5)), cut to what the file holds.
struct ElfSegment {
  uint64_t vaddr = 0;
  uint64_t offset = 0;
  uint64_t file_size = 0;
  uint64_t memory_size = 0;
  bool executable = false;
  bool writable = false;
};

struct ElfSection {
  std::string name;
  uint32_t type = 0;   // SHT_*
  uint64_t flags = 0;  // SHF_*
  uint64_t vaddr = 0;
  uint64_t offset = 0;
  uint64_t size = 0;  // 0 of the file's bytes for SHT_NOBITS
  uint64_t entry_size = 0;
  uint32_t link = 0;
};

class ElfFile {
 public:
  // InvalidArgument for what is no ELF executable or shared library; Unimplemented for 32-bit and big-endian
  // ones. Files that share `cache` are used by one thread at a time; nullptr gives it a small one of its own.
  static absl::StatusOr<std::unique_ptr<ElfFile>> FromFd(UniqueFd fd,
                                                         std::shared_ptr<BlockCache> cache = nullptr);
  // Copies nothing: `bytes` outlives the file.
  static absl::StatusOr<std::unique_ptr<ElfFile>> FromBytes(absl::string_view bytes);
  static absl::StatusOr<std::unique_ptr<ElfFile>> FromOwnedBytes(std::string bytes);

  // Equal for equal binaries: the hexadecimal GNU build ID, else "go:" and Go's build ID, else "xxh3:" and a
  // hash of the headers and of blocks spread over the file.
  const std::string& build_id() const { return build_id_; }
  bool position_independent() const { return position_independent_; }
  uint16_t machine() const { return machine_; }  // EM_X86_64, EM_AARCH64, …
  const std::vector<ElfSegment>& segments() const { return segments_; }
  // Empty when the section headers are missing or broken.
  const std::vector<ElfSection>& sections() const { return sections_; }
  const ElfSection* FindSection(absl::string_view name) const;
  // Elf64_Dyn's d_val of the first entry with this tag in PT_DYNAMIC.
  std::optional<uint64_t> DynamicValue(int64_t tag) const;
  // There is a note or a section that only the Go linker writes.
  bool has_go_marker() const { return has_go_marker_; }

  // An executable segment is preferred where two hold the same page of the file.
  std::optional<uint64_t> OffsetToVaddr(uint64_t offset) const;
  std::optional<uint64_t> VaddrToOffset(uint64_t vaddr) const;
  // The bytes of the file from `vaddr` to its segment's end; 0 when it is in none.
  uint64_t BytesAt(uint64_t vaddr) const;
  // False when not all of `count` bytes are in one segment of the file.
  bool ReadAt(uint64_t vaddr, void* to, size_t count) const;
  template <typename T>
  std::optional<T> ReadAt(uint64_t vaddr) const {
    T value;
    if (!ReadAt(vaddr, &value, sizeof(value))) return std::nullopt;
    return value;
  }

  ByteSource& bytes() const { return *bytes_; }
  size_t byte_size() const;

 private:
  explicit ElfFile(std::unique_ptr<ByteSource> bytes) : bytes_(std::move(bytes)) {}
  static absl::StatusOr<std::unique_ptr<ElfFile>> FromMemory(std::unique_ptr<MemoryBytes> bytes);
  // `elf` is libelf's Elf*.
  absl::Status ReadHeaders(void* elf);
  void ReadSections(void* elf);
  // Spends `budget`, in bytes.
  void ReadNotes(uint64_t offset, uint64_t size, uint64_t& budget, std::string& gnu_build_id,
                 std::string& go_build_id);
  void Identify();

  const std::unique_ptr<ByteSource> bytes_;
  size_t owned_bytes_ = 0;  // of the image in memory
  std::string build_id_;
  bool position_independent_ = false;
  bool has_go_marker_ = false;
  uint16_t machine_ = 0;
  uint64_t dynamic_offset_ = 0;
  uint64_t dynamic_size_ = 0;
  std::vector<ElfSegment> segments_;
  std::vector<ElfSegment> notes_;
  std::vector<ElfSection> sections_;
};

}  // namespace pilotlight
