#pragma once

#include <sys/stat.h>

#include <string>

namespace pilotlight::agent {

// Whether somebody has bound a socket there; he may be gone.
inline bool IsSocket(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

}  // namespace pilotlight::agent
