// Bytes of a file at an offset, checked. All parsers of this directory read through it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace pilotlight {

// Blocks of files that were read last, for the FileBytes that share it: they are used by one thread at a
// time.
class BlockCache {
 public:
  static constexpr size_t kBlockBytes = 4096;
  // `slots` blocks of memory, allocated when first used.
  explicit BlockCache(size_t slots = 64) : slots_(slots) {}

  uint64_t NewFileNumber() { return next_file_number_++; }
  size_t byte_size() const { return blocks_ == nullptr ? 0 : slots_ * sizeof(Block); }

 private:
  friend class FileBytes;
  struct Block {
    uint64_t file_number = 0;
    uint64_t block_number = 0;
    size_t size = 0;  // below kBlockBytes in a file's last block
    std::array<char, kBlockBytes> bytes;
  };
  // Each block has one place only: simpler than LRU, and the hash keeps a lookup's few blocks apart.
  Block& Place(uint64_t file_number, uint64_t block_number);

  const size_t slots_;
  uint64_t next_file_number_ = 1;
  std::unique_ptr<Block[]> blocks_;
};

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  // At least one byte from `offset` on unless that is at or past the end; valid until the next call on any
  // source that shares its cache.
  virtual absl::string_view View(uint64_t offset) = 0;

  // False when not all of them are there.
  bool Read(uint64_t offset, void* to, size_t count);
  template <typename T>
  std::optional<T> Read(uint64_t offset) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    if (!Read(offset, &value, sizeof(value))) return std::nullopt;
    return value;
  }
  // The bytes up to a NUL or `limit`, whichever is first. Empty at the end of the file.
  std::string ReadCString(uint64_t offset, size_t limit);
};

// Memory that outlives it, or that it owns.
class MemoryBytes : public ByteSource {
 public:
  explicit MemoryBytes(absl::string_view borrowed) : view_(borrowed) {}
  explicit MemoryBytes(std::string owned) : owned_(std::move(owned)), view_(owned_) {}
  MemoryBytes(const MemoryBytes&) = delete;
  MemoryBytes& operator=(const MemoryBytes&) = delete;

  uint64_t size() const override { return view_.size(); }
  absl::string_view View(uint64_t offset) override {
    return offset < view_.size() ? view_.substr(offset) : absl::string_view();
  }

 private:
  const std::string owned_;
  const absl::string_view view_;
};

// A regular file, read with pread(2) block by block. Not mapped: a target may truncate its own library at any
// time, which would end us with SIGBUS, and the pages of large binaries would count as ours.
class FileBytes : public ByteSource {
 public:
  // InvalidArgument unless `fd` is a regular file.
  static absl::StatusOr<std::unique_ptr<FileBytes>> Create(UniqueFd fd, std::shared_ptr<BlockCache> cache);

  uint64_t size() const override { return size_; }
  absl::string_view View(uint64_t offset) override;
  int fd() const { return fd_.get(); }

 private:
  FileBytes(UniqueFd fd, uint64_t size, std::shared_ptr<BlockCache> cache)
      : fd_(std::move(fd)), size_(size), cache_(std::move(cache)), file_number_(cache_->NewFileNumber()) {}

  const UniqueFd fd_;
  const uint64_t size_;
  const std::shared_ptr<BlockCache> cache_;
  const uint64_t file_number_;
};

}  // namespace pilotlight
