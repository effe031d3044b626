#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace pilotlight {

absl::StatusOr<UniqueFd> OpenReadOnly(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, path);
  return fd;
}

absl::StatusOr<std::string> ReadFileStart(const std::string& path, size_t limit) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenReadOnly(path));
  std::string contents;
  char buffer[size_t{16} << 10];
  while (contents.size() < limit) {
    const ssize_t count = ::read(fd.get(), buffer, std::min(sizeof(buffer), limit - contents.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, path);
    if (count == 0) break;
    contents.append(buffer, static_cast<size_t>(count));
  }
  return contents;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit) {
  ASSIGN_OR_RETURN(std::string contents, ReadFileStart(path, limit + 1));
  if (contents.size() > limit) {
    return absl::OutOfRangeError(absl::StrCat(path, ": larger than ", limit, " bytes"));
  }
  return contents;
}

absl::Status WriteFileDurably(const std::string& path, absl::string_view contents) {
  const std::string beside = absl::StrCat(path, ".new");
  {
    const UniqueFd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.valid()) return absl::ErrnoToStatus(errno, beside);
    while (!contents.empty()) {
      const ssize_t count = ::write(fd.get(), contents.data(), contents.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        absl::Status status = absl::ErrnoToStatus(errno, beside);
        ::unlink(beside.c_str());
        return status;
      }
      contents.remove_prefix(static_cast<size_t>(count));
    }
    if (::fsync(fd.get()) != 0) return absl::ErrnoToStatus(errno, beside);
  }
  return RenameDurably(beside, path);
}

absl::Status RenameDurably(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return absl::ErrnoToStatus(errno, to);
  const std::string directory = std::filesystem::path(to).parent_path().string();
  ASSIGN_OR_RETURN(const UniqueFd directory_fd, OpenReadOnly(directory.empty() ? "." : directory));
  if (::fsync(directory_fd.get()) != 0) return absl::ErrnoToStatus(errno, directory);
  return absl::OkStatus();
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return absl::ErrnoToStatus(error.value(), path);
  return absl::OkStatus();
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "pilotlight-XXXXXX").string();
  // Only a full or read-only temporary directory makes this fail; its users cannot go on then.
  CHECK(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace pilotlight
