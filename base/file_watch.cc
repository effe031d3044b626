#include "base/file_watch.h"

#include <sys/stat.h>

#include <utility>

namespace pilotlight {

FileWatch::FileWatch(std::vector<std::string> paths) : paths_(std::move(paths)), last_(Look()) {}

bool FileWatch::Changed() {
  std::vector<Stamp> now = Look();
  if (now == last_) return false;
  last_ = std::move(now);
  return true;
}

FileWatch::Stamp FileWatch::StampOf(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return {};
  constexpr int64_t kNanoseconds = 1'000'000'000;
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = status.st_size,
          .modified_ns = status.st_mtim.tv_sec * kNanoseconds + status.st_mtim.tv_nsec};
}

std::vector<FileWatch::Stamp> FileWatch::Look() const {
  std::vector<Stamp> stamps;
  stamps.reserve(paths_.size());
  for (const std::string& path : paths_) stamps.push_back(StampOf(path));
  return stamps;
}

}  // namespace pilotlight
