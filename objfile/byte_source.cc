#include "objfile/byte_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/status/status.h"

namespace pilotlight {

BlockCache::Block& BlockCache::Place(uint64_t file_number, uint64_t block_number) {
  if (blocks_ == nullptr) blocks_ = std::make_unique<Block[]>(slots_);
  // Neighbouring blocks get neighbouring slots, so that a scan does not evict what it has just read.
  const uint64_t slot = file_number * 0x9e3779b97f4a7c15U / 0x100000001U + block_number;
  return blocks_[slot % slots_];
}

bool ByteSource::Read(uint64_t offset, void* to, size_t count) {
  auto* out = static_cast<char*>(to);
  while (count > 0) {
    const absl::string_view view = View(offset);
    if (view.empty()) return false;
    const size_t taken = std::min(count, view.size());
    std::memcpy(out, view.data(), taken);
    out += taken;
    offset += taken;
    count -= taken;
  }
  return true;
}

std::string ByteSource::ReadCString(uint64_t offset, size_t limit) {
  std::string text;
  while (text.size() < limit) {
    absl::string_view view = View(offset);
    if (view.empty()) break;
    view = view.substr(0, limit - text.size());
    const size_t end = view.find('\0');
    if (end != absl::string_view::npos) {
      text.append(view.data(), end);
      break;
    }
    text.append(view.data(), view.size());
    offset += view.size();
  }
  return text;
}

absl::StatusOr<std::unique_ptr<FileBytes>> FileBytes::Create(UniqueFd fd, std::shared_ptr<BlockCache> cache) {
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return absl::ErrnoToStatus(errno, "fstat");
  if (!S_ISREG(status.st_mode)) return absl::InvalidArgumentError("not a regular file");
  if (cache == nullptr) cache = std::make_shared<BlockCache>(/*slots=*/16);
  return std::unique_ptr<FileBytes>(
      new FileBytes(std::move(fd), static_cast<uint64_t>(status.st_size), std::move(cache)));
}

absl::string_view FileBytes::View(uint64_t offset) {
  if (offset >= size_) return {};
  const uint64_t block_number = offset / BlockCache::kBlockBytes;
  BlockCache::Block& block = cache_->Place(file_number_, block_number);
  if (block.file_number != file_number_ || block.block_number != block_number) {
    block.file_number = 0;
    ssize_t count = 0;
    do {
      count = ::pread(fd_.get(), block.bytes.data(), block.bytes.size(),
                      static_cast<off_t>(block_number * BlockCache::kBlockBytes));
    } while (count < 0 && errno == EINTR);
    if (count <= 0) return {};
    block.file_number = file_number_;
    block.block_number = block_number;
    block.size = static_cast<size_t>(count);
  }
  const auto within = static_cast<size_t>(offset % BlockCache::kBlockBytes);
  if (within >= block.size) return {};
  return absl::string_view(block.bytes.data() + within, block.size - within);
}

}  // namespace pilotlight
