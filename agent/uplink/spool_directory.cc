#include "agent/uplink/spool_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kAgentIdBytes = 16;
constexpr size_t kMarkerBytes = 128;
constexpr absl::string_view kWindowSuffix = ".window";

bool IsHex(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
  }
  return !text.empty();
}

UnsavedWindows ParseMarker(absl::string_view text) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  UnsavedWindows windows;
  if (words.size() < 3 || !IsHex(words[0]) || !absl::SimpleAtoi(words[1], &windows.open_sequence) ||
      !absl::SimpleAtoi(words[2], &windows.memory_windows)) {
    return {};
  }
  windows.boot = std::string(words[0]);
  return windows;
}

}  // namespace

std::string RandomHex(size_t bytes) {
  std::string random(bytes, '\0');
  // Up to 256 bytes come whole once the kernel's pool is ready, and it waits for that (getrandom(2)).
  CHECK(::getrandom(random.data(), random.size(), 0) == static_cast<ssize_t>(bytes));
  return absl::BytesToHexString(random);
}

absl::StatusOr<UniqueFd> LockDirectory(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/lock");
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, path);
    const std::string holder = ReadFile(path).value_or("");
    return absl::FailedPreconditionError(
        absl::StrCat(directory, ": another agent uses this directory",
                     holder.empty() ? "" : absl::StrCat(" (process ", absl::StripSuffix(holder, "\n"), ")"),
                     "; stop it or give this one a directory of its own"));
  }
  // Only for the message above: on a full disk it stays empty.
  const std::string pid = absl::StrCat(::getpid(), "\n");
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) {
    spdlog::debug("{}: cannot note the process", path);
  }
  return fd;
}

absl::StatusOr<std::string> ReadOrMakeAgentId(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/agent-id");
  const absl::StatusOr<std::string> contents = ReadFile(path);
  if (contents.ok()) {
    const absl::string_view id = absl::StripSuffix(*contents, "\n");
    if (id.size() == 2 * kAgentIdBytes && IsHex(id)) return std::string(id);
    spdlog::warn("{}: not an agent's name, making a new one", path);
  } else if (!absl::IsNotFound(contents.status())) {
    return contents.status();
  }
  std::string id = RandomHex(kAgentIdBytes);
  RETURN_IF_ERROR(WriteFileDurably(path, absl::StrCat(id, "\n")));
  return id;
}

std::string SpoolFileName::ToString() const {
  return absl::StrFormat("%012u-%s-%u%s", position, boot, sequence, kWindowSuffix);
}

std::optional<SpoolFileName> SpoolFileName::Parse(absl::string_view name) {
  if (!absl::ConsumeSuffix(&name, kWindowSuffix)) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '-');
  SpoolFileName result;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &result.position) || !IsHex(parts[1]) ||
      !absl::SimpleAtoi(parts[2], &result.sequence)) {
    return std::nullopt;
  }
  result.boot = std::string(parts[1]);
  return result;
}

absl::StatusOr<UnsavedMarker> UnsavedMarker::Open(const std::string& directory) {
  UnsavedMarker marker;
  marker.path_ = absl::StrCat(directory, "/unsaved");
  marker.fd_ = UniqueFd(::open(marker.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!marker.fd_.valid()) return absl::ErrnoToStatus(errno, marker.path_);
  char text[kMarkerBytes];
  const ssize_t count = ::pread(marker.fd_.get(), text, sizeof(text), 0);
  if (count < 0) return absl::ErrnoToStatus(errno, marker.path_);
  marker.left_over_ = ParseMarker(absl::string_view(text, static_cast<size_t>(count)));
  return marker;
}

absl::Status UnsavedMarker::Write(const UnsavedWindows& windows) {
  const std::string text = absl::StrFormat(
      "%-*s\n", static_cast<int>(kMarkerBytes) - 1,
      absl::StrCat(windows.boot, " ", windows.open_sequence, " ", windows.memory_windows, " "));
  CHECK(text.size() == kMarkerBytes);  // 16 digits and two 64-bit numbers fit
  if (::pwrite(fd_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ::fdatasync(fd_.get()) != 0) {
    return absl::ErrnoToStatus(errno, path_);
  }
  return absl::OkStatus();
}

}  // namespace pilotlight::agent
