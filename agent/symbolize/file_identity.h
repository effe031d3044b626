// What a file is for as long as nobody writes to it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <utility>

namespace pilotlight::agent {

struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;

  FileIdentity() = default;
  explicit FileIdentity(const struct stat& status)
      : device(status.st_dev),
        inode(status.st_ino),
        size(status.st_size),
        modified_ns(Nanoseconds(status.st_mtim)),
        changed_ns(Nanoseconds(status.st_ctim)) {}

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const FileIdentity& f) {
    return H::combine(std::move(h), f.device, f.inode, f.size, f.modified_ns, f.changed_ns);
  }

 private:
  static int64_t Nanoseconds(const timespec& time) {
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }
};

}  // namespace pilotlight::agent
