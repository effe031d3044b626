#include "agent/uplink/spool_record.h"

#include <zlib.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "profile/wire.h"

namespace pilotlight::agent {
namespace {

constexpr absl::string_view kMagic = "PLW1";
constexpr size_t kChecksumAt = 4;
constexpr size_t kLengthAt = 8;
constexpr size_t kHeaderBytes = 12;
// The fastest: a window's columns of small numbers gain little from the slower levels.
constexpr int kCompressionLevel = 1;

void PutLittleEndian32(uint32_t value, size_t at, std::string& bytes) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>((value >> (8 * i)) & 0xff);
}

// REQUIRES: bytes.size() >= at + 4.
uint32_t GetLittleEndian32(absl::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  return value;
}

uint32_t Checksum(absl::string_view bytes) {
  return static_cast<uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<z_size_t>(bytes.size())));
}

absl::Status Torn(absl::string_view what) { return absl::DataLossError(absl::StrCat("torn record: ", what)); }

}  // namespace

absl::StatusOr<std::string> EncodeSpoolRecord(const Window& window, size_t max_window_bytes) {
  // The trie is what the receiver has to hold; it may be several times the serialised bytes.
  if (const size_t bytes = window.trie.byte_size(); bytes > max_window_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a window of ", bytes, " bytes, the limit is ", max_window_bytes));
  }
  const std::string plain = SerializeWindow(window);
  if (plain.size() > max_window_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a window of ", plain.size(), " bytes, the limit is ", max_window_bytes));
  }
  uLongf compressed_bytes = ::compressBound(plain.size());
  std::string record(kHeaderBytes + compressed_bytes, '\0');
  if (::compress2(reinterpret_cast<Bytef*>(record.data() + kHeaderBytes), &compressed_bytes,
                  reinterpret_cast<const Bytef*>(plain.data()), plain.size(), kCompressionLevel) != Z_OK) {
    return absl::InternalError("zlib could not compress a window");
  }
  record.resize(kHeaderBytes + compressed_bytes);
  record.replace(0, kMagic.size(), kMagic.data(), kMagic.size());
  PutLittleEndian32(static_cast<uint32_t>(plain.size()), kLengthAt, record);
  PutLittleEndian32(Checksum(absl::string_view(record).substr(kLengthAt)), kChecksumAt, record);
  return record;
}

absl::StatusOr<Window> DecodeSpoolRecord(absl::string_view record, size_t max_window_bytes) {
  if (record.size() < kHeaderBytes) return Torn("too short");
  if (record.substr(0, kMagic.size()) != kMagic) return Torn("no window's magic");
  if (Checksum(record.substr(kLengthAt)) != GetLittleEndian32(record, kChecksumAt)) {
    return Torn("the checksum does not fit");
  }
  const size_t plain_bytes = GetLittleEndian32(record, kLengthAt);
  if (plain_bytes > max_window_bytes) return Torn("a length beyond the limit");
  std::string plain(plain_bytes, '\0');
  uLongf length = plain_bytes;
  const absl::string_view compressed = record.substr(kHeaderBytes);
  if (::uncompress(reinterpret_cast<Bytef*>(plain.data()), &length,
                   reinterpret_cast<const Bytef*>(compressed.data()), compressed.size()) != Z_OK ||
      length != plain_bytes) {
    return Torn("zlib cannot read it");
  }
  absl::StatusOr<Window> window = ParseWindow(plain);
  if (!window.ok()) return absl::InvalidArgumentError(window.status().message());
  return window;
}

}  // namespace pilotlight::agent
