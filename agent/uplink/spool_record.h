// One window in a file of the spool: magic, checksum, length, and the window, zlib-compressed.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight::agent {

//   0  4  "PLW1"
//   4  4  CRC-32 (zlib's) of all that follows, little-endian
//   8  4  bytes of the window before compression, little-endian
//  12     zlib stream (RFC 1950) of SerializeWindow()'s bytes
// ResourceExhausted when the window has more than `max_window_bytes`, serialised or in memory.
absl::StatusOr<std::string> EncodeSpoolRecord(const Window& window, size_t max_window_bytes);

// DataLoss when the bytes are torn or not such a record; InvalidArgument when they are whole, but hold a
// window that breaks the limits of the wire.
absl::StatusOr<Window> DecodeSpoolRecord(absl::string_view record, size_t max_window_bytes);

}  // namespace pilotlight::agent
