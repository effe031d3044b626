#include "base/gzip.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace pilotlight {
namespace {

using Compressor = std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)>;
using Decompressor = std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)>;

// How much the last member says that it unpacks to, as far as that can be (RFC 1952: ISIZE is the size modulo
// 2^32; deflate packs to no less than a 1032nd).
size_t LikelySize(absl::string_view bytes) {
  constexpr size_t kSizeBytes = 4;
  constexpr size_t kMostRatio = 1032;
  if (bytes.size() < kSizeBytes) return 0;
  uint32_t claimed = 0;
  for (size_t i = 0; i < kSizeBytes; ++i) {
    claimed |= uint32_t{static_cast<uint8_t>(bytes[bytes.size() - kSizeBytes + i])} << (8 * i);
  }
  return std::min<size_t>(claimed, bytes.size() * kMostRatio);
}

}  // namespace

bool IsGzip(absl::string_view bytes) { return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b'; }

std::string Gzip(absl::string_view bytes) {
  constexpr int kLevel = 4;
  const Compressor compressor(libdeflate_alloc_compressor(kLevel), &libdeflate_free_compressor);
  CHECK(compressor != nullptr);  // only for want of memory
  std::string packed(libdeflate_gzip_compress_bound(compressor.get(), bytes.size()), '\0');
  const size_t size =
      libdeflate_gzip_compress(compressor.get(), bytes.data(), bytes.size(), packed.data(), packed.size());
  CHECK(size > 0);  // the bound made room for all
  packed.resize(size);
  return packed;
}

absl::StatusOr<std::string> Gunzip(absl::string_view bytes, size_t limit) {
  const Decompressor decompressor(libdeflate_alloc_decompressor(), &libdeflate_free_decompressor);
  CHECK(decompressor != nullptr);  // only for want of memory
  const auto too_much = [limit] {
    return absl::OutOfRangeError(absl::StrCat("more than ", limit, " bytes when decompressed"));
  };
  // One byte beyond the limit tells "exactly" from "more".
  const size_t most = limit + 1;
  std::string plain(std::min(LikelySize(bytes), most), '\0');
  size_t in_at = 0;
  size_t out_at = 0;
  while (true) {
    size_t read = 0;
    size_t written = 0;
    switch (libdeflate_gzip_decompress_ex(decompressor.get(), bytes.data() + in_at, bytes.size() - in_at,
                                          plain.data() + out_at, plain.size() - out_at, &read, &written)) {
      case LIBDEFLATE_SUCCESS:
        in_at += read;
        out_at += written;
        if (out_at > limit) return too_much();
        if (in_at == bytes.size()) {
          plain.resize(out_at);
          return plain;
        }
        if (!IsGzip(bytes.substr(in_at))) {
          return absl::InvalidArgumentError("damaged gzip: something else follows the compressed data");
        }
        break;
      case LIBDEFLATE_INSUFFICIENT_SPACE: {
        if (plain.size() == most) return too_much();
        // This member is unpacked again, so all is at most twice the work.
        constexpr size_t kLeast = 64;
        plain.resize(std::min(std::max(2 * plain.size(), kLeast), most));
        break;
      }
      default:
        return absl::InvalidArgumentError("damaged gzip: its data make no sense, or are cut off");
    }
  }
}

}  // namespace pilotlight
