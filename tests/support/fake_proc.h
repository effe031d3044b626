// A /proc of our own making in a temporary directory, for what takes `proc_root`.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"

namespace pilotlight {

struct FakeProcess {
  pid_t pid = 0;
  std::string comm = "app";
  std::string executable = "/usr/bin/app";  // empty: a kernel thread
  std::string maps = "";
  std::string cgroup = "0::/\n";
  std::string memory = "";  // from address 0 on
  uint64_t start_ticks = 1000;
  pid_t parent = 1;
};

class FakeProc {
 public:
  const std::string& root() const { return directory_.path(); }

  // Adds the process, or replaces the one of the same pid.
  void Put(const FakeProcess& process) {
    Remove(process.pid);
    const std::string path = Path(process.pid);
    std::filesystem::create_directory(path);
    const bool kernel_thread = process.executable.empty();
    Write(path + "/stat", absl::StrCat(process.pid, " (", process.comm, ") S ", process.parent, " 1 1 0 -1 ",
                                       kernel_thread ? 0x00208040 : 0x00400040, " 0 0 0 0 10 5 0 0 20 0 1 0 ",
                                       process.start_ticks, " 1000 100 0\n"));
    Write(path + "/comm", process.comm + "\n");
    Write(path + "/maps", process.maps);
    Write(path + "/cgroup", process.cgroup);
    Write(path + "/mem", process.memory);
    if (!kernel_thread) CHECK(symlink(process.executable.c_str(), (path + "/exe").c_str()) == 0);
  }

  void Remove(pid_t pid) { std::filesystem::remove_all(Path(pid)); }

 private:
  std::string Path(pid_t pid) const { return absl::StrCat(root(), "/", pid); }
  static void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

  TemporaryDirectory directory_;
};

}  // namespace pilotlight
