// Gzip (RFC 1952) in memory.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pilotlight {

bool IsGzip(absl::string_view bytes);

// The same bytes for the same input: without a time or a name in the header.
std::string Gzip(absl::string_view bytes);

// One or several members one after another. InvalidArgument when damaged or cut off, OutOfRange when the
// result has more than `limit` bytes.
absl::StatusOr<std::string> Gunzip(absl::string_view bytes, size_t limit);

}  // namespace pilotlight
