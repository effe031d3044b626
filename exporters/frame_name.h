// What a function's name tells when a format says no more.
#pragma once

#include "absl/strings/string_view.h"

namespace pilotlight {

// "app+0x1234" and "0x1234" stand for an address without a name.
bool IsAddressName(absl::string_view function);

// "[truncated]", "[lost]": made by a profiler. "[unknown]" is not.
bool IsSyntheticName(absl::string_view function);

// A function of the Go runtime: "runtime.mcall", "internal/runtime/maps.…".
bool IsGoRuntimeName(absl::string_view function);

}  // namespace pilotlight
