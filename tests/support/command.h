// Running other programs from a test.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "base/check.h"

namespace pilotlight {

struct CommandResult {
  int exit_code = -1;  // -1 when it was ended by a signal
  std::string output;  // standard output; add 2>&1 for the errors
};

// Runs a line of shell.
inline CommandResult RunCommand(const std::string& command) {
  CommandResult result;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  CHECK(pipe != nullptr);  // no shell, or no memory: a test cannot go on
  char buffer[16 << 10];
  while (const size_t count = std::fread(buffer, 1, sizeof(buffer), pipe))
    result.output.append(buffer, count);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

}  // namespace pilotlight
