#include "agent/symbolize/debug_file.h"

#include <zlib.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/symbolize/binary_opener.h"
#include "objfile/debug_link.h"

namespace pilotlight::agent {
namespace {

constexpr absl::string_view kDebugRoot = "/usr/lib/debug";
// Reading more for its CRC would cost too much; files so large have build IDs.
constexpr uint64_t kMaxCrcBytes = uint64_t{16} << 20;

bool HasGnuBuildId(const ElfFile& elf) { return !absl::StrContains(elf.build_id(), ':'); }

bool HasCrc(const ElfFile& elf, uint32_t crc) {
  ByteSource& bytes = elf.bytes();
  if (bytes.size() > kMaxCrcBytes) return false;
  uLong sum = ::crc32(0, nullptr, 0);
  for (uint64_t at = 0; at < bytes.size();) {
    const absl::string_view view = bytes.View(at);
    if (view.empty()) return false;
    sum = ::crc32(sum, reinterpret_cast<const Bytef*>(view.data()), static_cast<uInt>(view.size()));
    at += view.size();
  }
  return sum == crc;
}

std::vector<std::string> Candidates(const ElfFile& elf, const std::optional<DebugLink>& link,
                                    const std::string& path) {
  std::vector<std::string> candidates;
  const std::string& id = elf.build_id();
  if (HasGnuBuildId(elf) && id.size() > 2) {
    candidates.push_back(
        absl::StrCat(kDebugRoot, "/.build-id/", id.substr(0, 2), "/", id.substr(2), ".debug"));
  }
  const size_t slash = path.rfind('/');
  if (link.has_value() && slash != std::string::npos) {
    const std::string directory = path.substr(0, slash + 1);
    candidates.push_back(absl::StrCat(directory, ".debug/", link->name));
    candidates.push_back(absl::StrCat(kDebugRoot, directory, link->name));
    // The binary itself may have this name.
    if (directory + link->name != path) candidates.push_back(directory + link->name);
  }
  return candidates;
}

}  // namespace

std::unique_ptr<ElfFile> OpenDebugFile(const ElfFile& elf, const Process& process, const Mapping& mapping,
                                       const std::string& proc_root,
                                       const std::shared_ptr<BlockCache>& blocks) {
  const std::optional<DebugLink> link = ReadDebugLink(elf);
  const std::vector<std::string> candidates = Candidates(elf, link, mapping.path);
  for (const std::string& root : {absl::StrCat(proc_root, "/", process.pid, "/root"),
                                  absl::StrCat(proc_root, "/1/root"), std::string("/")}) {
    for (const std::string& path : candidates) {
      absl::StatusOr<UniqueFd> fd = OpenInRoot(root, path);
      if (!fd.ok()) continue;
      absl::StatusOr<std::unique_ptr<ElfFile>> file = ElfFile::FromFd(*std::move(fd), blocks);
      if (!file.ok()) continue;
      const bool same = HasGnuBuildId(elf) ? (*file)->build_id() == elf.build_id()
                                           : link.has_value() && HasCrc(**file, link->crc);
      if (same) return *std::move(file);
    }
  }
  absl::StatusOr<std::unique_ptr<ElfFile>> mini = ReadMiniDebugInfo(elf);
  return mini.ok() ? *std::move(mini) : nullptr;
}

}  // namespace pilotlight::agent
