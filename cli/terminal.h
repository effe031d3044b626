// What standard output and standard error are connected to.
#pragma once

#include <cstddef>

namespace pilotlight::cli {

// No limit: the output goes to a file or a pipe.
inline constexpr size_t kUnlimitedWidth = 0;

bool IsTerminal(int fd);
// Columns of the terminal behind `fd`, 80 when it does not tell; kUnlimitedWidth when there is none.
size_t TerminalWidth(int fd);
// On a terminal, unless NO_COLOR (https://no-color.org) is set or TERM is "dumb".
bool UseColour(int fd);

}  // namespace pilotlight::cli
