#include "base/process_memory.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace pilotlight {

absl::StatusOr<std::string> ReadProcessMemory(pid_t pid, uint64_t address, size_t size,
                                              const std::string& proc_root) {
  std::string memory(size, '\0');
  ssize_t count = -1;
  const absl::StatusOr<UniqueFd> fd = OpenReadOnly(absl::StrCat(proc_root, "/", pid, "/mem"));
  if (fd.ok()) {
    count = ::pread(fd->get(), memory.data(), size, static_cast<off_t>(address));
  } else if (absl::IsPermissionDenied(fd.status()) && proc_root == "/proc") {
    // The file is its owner's alone; the right to trace the process is enough for this.
    const iovec local = {memory.data(), size};
    const iovec remote = {reinterpret_cast<void*>(address), size};  // NOLINT(performance-no-int-to-ptr)
    count = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
  } else {
    return fd.status();
  }
  if (count < 0) return absl::ErrnoToStatus(errno, absl::StrCat("memory of process ", pid));
  memory.resize(static_cast<size_t>(count));
  return memory;
}

}  // namespace pilotlight
