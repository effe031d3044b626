#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace pilotlight::cli {

bool IsTerminal(int fd) { return ::isatty(fd) == 1; }

size_t TerminalWidth(int fd) {
  if (!IsTerminal(fd)) return kUnlimitedWidth;
  winsize size = {};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* const columns = std::getenv("COLUMNS");
  uint32_t width = 0;
  if (columns != nullptr && absl::SimpleAtoi(columns, &width) && width > 0) return width;
  return 80;
}

bool UseColour(int fd) {
  if (!IsTerminal(fd)) return false;
  const char* const no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && no_color[0] != '\0') return false;
  const char* const term = std::getenv("TERM");
  return term != nullptr && std::strcmp(term, "dumb") != 0;
}

}  // namespace pilotlight::cli
