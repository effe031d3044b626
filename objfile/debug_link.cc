#include "objfile/debug_link.h"

#include <elf.h>
#include <lzma.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace pilotlight {
namespace {

std::optional<std::string> ReadSection(const ElfFile& elf, absl::string_view name, size_t max_bytes) {
  const ElfSection* const section = elf.FindSection(name);
  if (section == nullptr || section->type == SHT_NOBITS || section->size > max_bytes) return std::nullopt;
  std::string bytes(section->size, '\0');
  if (!elf.bytes().Read(section->offset, bytes.data(), bytes.size())) return std::nullopt;
  return bytes;
}

absl::StatusOr<std::string> Decompress(const std::string& compressed, size_t max_bytes) {
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, max_bytes, /*flags=*/0) != LZMA_OK) {
    return absl::ResourceExhaustedError("no memory for .gnu_debugdata");
  }
  const std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> owned(&stream, &lzma_end);
  stream.next_in = reinterpret_cast<const uint8_t*>(compressed.data());
  stream.avail_in = compressed.size();
  std::string bytes;
  lzma_ret result = LZMA_OK;
  while (result == LZMA_OK) {
    const size_t had = bytes.size();
    if (had >= max_bytes) return absl::ResourceExhaustedError(".gnu_debugdata is too large");
    bytes.resize(std::min(max_bytes, std::max<size_t>(had * 2, compressed.size() * 4 + 4096)));
    stream.next_out = reinterpret_cast<uint8_t*>(bytes.data()) + had;
    stream.avail_out = bytes.size() - had;
    result = lzma_code(&stream, LZMA_FINISH);
    bytes.resize(bytes.size() - stream.avail_out);
    if (result == LZMA_BUF_ERROR && stream.avail_out == 0) result = LZMA_OK;
  }
  if (result == LZMA_MEMLIMIT_ERROR)
    return absl::ResourceExhaustedError(".gnu_debugdata needs too much memory");
  if (result != LZMA_STREAM_END) return absl::InvalidArgumentError(".gnu_debugdata is broken");
  bytes.shrink_to_fit();
  return bytes;
}

}  // namespace

std::optional<DebugLink> ReadDebugLink(const ElfFile& elf) {
  constexpr size_t kMaxBytes = 4096;
  const std::optional<std::string> bytes = ReadSection(elf, ".gnu_debuglink", kMaxBytes);
  if (!bytes.has_value()) return std::nullopt;
  DebugLink link;
  link.name = bytes->substr(0, bytes->find('\0'));
  // After the name with its NUL, at a multiple of 4.
  const size_t at = (link.name.size() + 1 + 3) / 4 * 4;
  if (link.name.empty() || link.name.find('/') != std::string::npos || link.name == "." ||
      link.name == ".." || at + sizeof(link.crc) > bytes->size()) {
    return std::nullopt;
  }
  std::memcpy(&link.crc, bytes->data() + at, sizeof(link.crc));
  return link;
}

absl::StatusOr<std::unique_ptr<ElfFile>> ReadMiniDebugInfo(const ElfFile& elf, size_t max_bytes) {
  const std::optional<std::string> compressed = ReadSection(elf, ".gnu_debugdata", max_bytes);
  if (!compressed.has_value() || compressed->empty()) return absl::NotFoundError("no .gnu_debugdata");
  ASSIGN_OR_RETURN(std::string bytes, Decompress(*compressed, max_bytes));
  return ElfFile::FromOwnedBytes(std::move(bytes));
}

}  // namespace pilotlight
