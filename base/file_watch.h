// Notices that files were replaced or written, when it is asked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pilotlight {

// A stat(2) of each file: no thread, no descriptor, and nothing is missed where the files are links that
// move, as those of a Kubernetes secret. Not thread-safe.
class FileWatch {
 public:
  FileWatch() = default;
  explicit FileWatch(std::vector<std::string> paths);

  // True when a file is another, or has other contents by its size and time, than at the last call or, before
  // that, when this was made.
  bool Changed();

 private:
  struct Stamp {
    uint64_t device = 0;
    uint64_t inode = 0;  // 0: it was not there
    int64_t size = 0;
    int64_t modified_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  static Stamp StampOf(const std::string& path);
  std::vector<Stamp> Look() const;

  std::vector<std::string> paths_;
  std::vector<Stamp> last_;
};

}  // namespace pilotlight
