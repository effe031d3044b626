// Names as the linker knows them to names as people write them.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace pilotlight {

// Rust (v0 "_R…" and legacy "_ZN…17h<hash>E", the hash left out) and Itanium C++ ("_Z…", with parameters,
// without the return type). Anything else, and what does not demangle within bounds, comes back as it is; a
// symbol version
// ("@GLIBC_2.14") is cut off. At most kMaxSymbolBytes long.
// libiberty refuses C++ names of more than 1024 characters, so that hostile ones cannot exhaust the stack.
std::string Demangle(absl::string_view name);

// `name` as valid UTF-8 without control characters, each bad byte replaced by '?': names come from foreign
// files, and go to terminals and into protobuf strings.
std::string CleanName(std::string name);

}  // namespace pilotlight
