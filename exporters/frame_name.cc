#include "exporters/frame_name.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace pilotlight {

bool IsAddressName(absl::string_view function) {
  const size_t at = function.rfind("0x");
  if (at == absl::string_view::npos || (at > 0 && function[at - 1] != '+')) return false;
  const absl::string_view digits = function.substr(at + 2);
  return !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool IsSyntheticName(absl::string_view function) {
  return absl::StartsWith(function, "[") && absl::EndsWith(function, "]") && function != "[unknown]";
}

bool IsGoRuntimeName(absl::string_view function) {
  return absl::StartsWith(function, "runtime.") || absl::StartsWith(function, "internal/runtime/") ||
         absl::StartsWith(function, "runtime/internal/");
}

}  // namespace pilotlight
