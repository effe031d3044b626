// Numbers to and from the bytes of keys and records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace pilotlight::collector {

// LEB128, as protobuf has it: 7 bits a byte, the lowest first; at most 10 bytes.
inline void AppendVarint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

inline void AppendZigzag(std::string& out, int64_t value) {
  AppendVarint(out, static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63));
}

inline void AppendSized(std::string& out, absl::string_view bytes) {
  AppendVarint(out, bytes.size());
  out.append(bytes.data(), bytes.size());
}

// Big-endian, so that keys sort by number.
template <typename Unsigned>
void AppendBigEndian(std::string& out, Unsigned value) {
  for (int shift = static_cast<int>(sizeof(Unsigned) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

// Consumes bytes from the front. The first read past the end or of a broken number makes ok() false, and
// that and every later read give zero or nothing: read a whole record, then ask once.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  // True when all was read, and read well.
  bool done() const { return ok_ && next_ == end_; }
  size_t remaining() const { return static_cast<size_t>(end_ - next_); }

  uint64_t Varint() {
    if (next_ != end_ && static_cast<uint8_t>(*next_) < 0x80) return static_cast<uint8_t>(*next_++);
    return LongVarint();
  }
  int64_t Zigzag() {
    const uint64_t coded = Varint();
    return static_cast<int64_t>(coded >> 1 ^ (0 - (coded & 1)));
  }
  // Fails beyond `limit`.
  uint64_t VarintUpTo(uint64_t limit) {
    const uint64_t value = Varint();
    return value <= limit ? value : Fail();
  }
  // The length of a list whose every entry takes at least `bytes_each` of the remaining bytes.
  size_t Count(size_t bytes_each) { return static_cast<size_t>(VarintUpTo(remaining() / bytes_each)); }
  absl::string_view Bytes(uint64_t size) {
    if (size > remaining()) {
      Fail();
      return {};
    }
    const absl::string_view bytes(next_, static_cast<size_t>(size));
    next_ += size;
    return bytes;
  }
  absl::string_view Sized() { return Bytes(Varint()); }
  template <typename Unsigned>
  Unsigned BigEndian() {
    Unsigned value = 0;
    for (const char byte : Bytes(sizeof(Unsigned))) {
      value = static_cast<Unsigned>(static_cast<uint64_t>(value) << 8 | static_cast<uint8_t>(byte));
    }
    return value;
  }

 private:
  uint64_t Fail() {
    ok_ = false;
    next_ = end_;
    return 0;
  }
  uint64_t LongVarint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && next_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*next_++);
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return Fail();
  }

  const char* next_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace pilotlight::collector
