#include "agent/symbolize/binary_opener.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

// O_NONBLOCK: a target may have put a FIFO there.
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

absl::StatusOr<UniqueFd> Open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), kOpenFlags));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, path);
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenInRoot(const std::string& root, const std::string& path) {
  const UniqueFd root_fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root_fd.valid()) return absl::ErrnoToStatus(errno, root);
  struct open_how how = {};
  how.flags = kOpenFlags;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root_fd.get(), path.c_str(), &how, sizeof(how))));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, absl::StrCat(root, path));
  return fd;
}

namespace {

// These give another device, or inode, to stat(2) than to /proc/PID/maps.
bool HasNumbersOfItsOwn(int fd) {
  constexpr uint64_t kBtrfs = 0x9123683e;
  constexpr uint64_t kBcachefs = 0xca451a4e;
  struct statfs status;
  if (::fstatfs(fd, &status) != 0) return false;
  const auto type = static_cast<uint32_t>(status.f_type);
  return type == OVERLAYFS_SUPER_MAGIC || type == kBtrfs || type == kBcachefs;
}

// `lenient`: where the numbers cannot be compared, the path is believed.
absl::Status CheckIsMapped(int fd, const Mapping& mapping, bool lenient) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return absl::ErrnoToStatus(errno, mapping.path);
  if (status.st_ino == mapping.inode && status.st_dev == mapping.device) return absl::OkStatus();
  if (lenient && HasNumbersOfItsOwn(fd)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(mapping.path, ": not the file that is mapped"));
}

}  // namespace

absl::StatusOr<UniqueFd> OpenMappedFile(const Process& process, const Mapping& mapping,
                                        const std::string& proc_root) {
  const std::string directory = absl::StrCat(proc_root, "/", process.pid);
  absl::StatusOr<UniqueFd> fd =
      Open(absl::StrFormat("%s/map_files/%x-%x", directory, mapping.start, mapping.end));
  if (fd.ok()) return fd;
  if (mapping.path == process.executable) {
    fd = Open(absl::StrCat(directory, "/exe"));
    if (fd.ok() && CheckIsMapped(fd->get(), mapping, /*lenient=*/true).ok()) return fd;
  }
  if (mapping.deleted)
    return absl::NotFoundError(absl::StrCat(mapping.path, ": deleted, and ", fd.status().message()));
  fd = OpenInRoot(absl::StrCat(directory, "/root"), mapping.path);
  if (fd.ok()) {
    RETURN_IF_ERROR(CheckIsMapped(fd->get(), mapping, /*lenient=*/true));
    return fd;
  }
  if (!absl::IsNotFound(fd.status())) return fd.status();
  // The process may be gone. A file of the host's, or of our own container's, is the same one only if the
  // numbers say so.
  for (const std::string& root : {absl::StrCat(proc_root, "/1/root"), std::string("/")}) {
    absl::StatusOr<UniqueFd> other = OpenInRoot(root, mapping.path);
    if (other.ok() && CheckIsMapped(other->get(), mapping, /*lenient=*/false).ok()) return other;
  }
  return fd.status();
}

absl::StatusOr<std::unique_ptr<ElfFile>> OpenMainBinary(const Process& process,
                                                        const std::string& proc_root) {
  for (const Mapping& mapping : process.maps.mappings()) {
    if (mapping.inode == 0 || mapping.path != process.executable) continue;
    ASSIGN_OR_RETURN(UniqueFd fd, OpenMappedFile(process, mapping, proc_root));
    return ElfFile::FromFd(std::move(fd));
  }
  return absl::NotFoundError("its main program is not mapped");
}

}  // namespace pilotlight::agent
