// Text as one word of a POSIX shell, of bash and of zsh.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace pilotlight::cli {

std::string ShellQuoted(absl::string_view text);
// Without quotes where none are needed.
std::string ShellWord(absl::string_view text);

}  // namespace pilotlight::cli
