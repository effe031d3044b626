#include "agent/targets/network_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"

namespace pilotlight::agent {
namespace {

bool IsOurs(int network) {
  struct stat own {};
  struct stat other {};
  return stat("/proc/self/ns/net", &own) == 0 && fstat(network, &other) == 0 && own.st_dev == other.st_dev &&
         own.st_ino == other.st_ino;
}

}  // namespace

absl::Status RunInNetworkOf(pid_t pid, const std::function<void()>& work, const std::string& proc_root) {
  const std::string path = absl::StrCat(proc_root, "/", pid, "/ns/net");
  const UniqueFd network(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!network.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("the network of process ", pid));
  const bool is_ours = IsOurs(network.get());
  absl::Status status;
  std::thread([&] {
    if (!is_ours && setns(network.get(), CLONE_NEWNET) != 0) {
      status = absl::ErrnoToStatus(
          errno, absl::StrCat("entering the network of process ", pid, ", which needs CAP_SYS_ADMIN"));
      return;
    }
    work();
  }).join();
  return status;
}

}  // namespace pilotlight::agent
