#include "agent/symbolize/perf_map_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/symbolize/binary_opener.h"
#include "agent/symbolize/jit_dump.h"
#include "base/file.h"
#include "objfile/byte_source.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

// A field of the text of /proc/PID/status (proc(5)), as its words.
std::vector<std::string> StatusField(absl::string_view status, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (absl::ConsumePrefix(&line, name)) {
      return absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    }
  }
  return {};
}

// /tmp belongs to all: what another user has put there is not the process's own.
bool BelongsTo(const std::vector<std::string>& users, const UniqueFd& fd) {
  uint64_t user = 0;
  struct stat file {};
  return users.size() >= 2 && absl::SimpleAtoi(users[1], &user) && ::fstat(fd.get(), &file) == 0 &&
         S_ISREG(file.st_mode) && (file.st_uid == user || file.st_uid == 0);
}

// By the number that the process has in the innermost pid namespace.
UniqueFd OpenText(const Process& process, const std::string& proc_root) {
  const std::string directory = absl::StrCat(proc_root, "/", process.pid);
  const absl::StatusOr<std::string> status = ReadFile(directory + "/status");
  if (!status.ok()) return {};
  const std::vector<std::string> numbers = StatusField(*status, "NSpid:");
  const std::vector<std::string> users = StatusField(*status, "Uid:");  // real, effective, …
  const std::string pid = numbers.empty() ? absl::StrCat(process.pid) : numbers.back();
  absl::StatusOr<UniqueFd> fd = OpenInRoot(directory + "/root", absl::StrCat("/tmp/perf-", pid, ".map"));
  if (!fd.ok() || !BelongsTo(users, *fd)) return {};
  return *std::move(fd);
}

UniqueFd OpenDump(const Process& process, const std::string& proc_root) {
  const Mapping* const mapping = FindJitDump(process);
  if (mapping == nullptr) return {};
  const absl::StatusOr<std::string> status = ReadFile(absl::StrCat(proc_root, "/", process.pid, "/status"));
  if (!status.ok()) return {};
  absl::StatusOr<UniqueFd> fd = OpenMappedFile(process, *mapping, proc_root);
  if (!fd.ok() || !BelongsTo(StatusField(*status, "Uid:"), *fd)) return {};
  return *std::move(fd);
}

}  // namespace

bool HasPerfMap(const Process& process, const std::string& proc_root) {
  return OpenText(process, proc_root).valid() || OpenDump(process, proc_root).valid();
}

absl::string_view PerfMapCache::Find(const Process& process, uint64_t address) {
  std::unique_ptr<Entry>& entry = entries_[process.pid];
  if (entry == nullptr || entry->start_ticks != process.start_ticks) {
    if (entry != nullptr) bytes_ -= entry->bytes;
    entry = std::make_unique<Entry>();
    entry->start_ticks = process.start_ticks;
  }
  entry->last_used = ++uses_;
  if (!entry->looked_in_window) {
    entry->looked_in_window = true;
    ReadText(process, entry->text);
    ReadDump(process, entry->dump);
    Account(*entry);
    MakeRoom(process.pid);
  }
  const absl::string_view name = entry->text.map.Find(address);
  return name.empty() ? entry->dump.map.Find(address) : name;
}

bool PerfMapCache::Names::StartsAnew(const struct stat& status) {
  const auto size = static_cast<uint64_t>(status.st_size);
  return inode != status.st_ino || (read_bytes != UINT64_MAX && size < read_bytes);
}

void PerfMapCache::ReadText(const Process& process, Names& names) {
  const UniqueFd fd = OpenText(process, proc_root_);
  struct stat status {};
  // The process may have ended, or taken it away: what was read still holds.
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) return;
  const auto size = static_cast<uint64_t>(status.st_size);
  if (names.StartsAnew(status)) names = {.inode = status.st_ino};
  std::string text;
  const uint64_t end = std::min<uint64_t>(size, limits_.file_bytes);
  if (end < size) ++cut_off_;
  while (names.read_bytes + text.size() < end) {
    const size_t had = text.size();
    text.resize(had + std::min<uint64_t>(kReadBytes, end - names.read_bytes - had));
    const ssize_t got =
        ::pread(fd.get(), text.data() + had, text.size() - had, static_cast<off_t>(names.read_bytes + had));
    text.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0) break;
  }
  names.read_bytes += names.map.Append(text);
}

void PerfMapCache::ReadDump(const Process& process, Names& names) {
  UniqueFd fd = OpenDump(process, proc_root_);
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) return;
  if (names.StartsAnew(status)) names = {.inode = status.st_ino};
  if (names.read_bytes >= static_cast<uint64_t>(status.st_size)) return;
  const auto file = FileBytes::Create(std::move(fd), std::make_shared<BlockCache>());
  if (!file.ok()) return;
  names.read_bytes = ReadJitDump(**file, names.read_bytes, limits_.bytes, names.map);
  if (names.map.byte_size() > limits_.bytes) ++cut_off_;
}

void PerfMapCache::Account(Entry& entry) {
  bytes_ -= entry.bytes;
  entry.bytes = 0;
  for (const Names* names : {&entry.text, &entry.dump}) {
    if (names->map.size() > 0) entry.bytes += names->map.byte_size();
  }
  bytes_ += entry.bytes;
}

void PerfMapCache::MakeRoom(pid_t keep) {
  while (bytes_ > limits_.bytes) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->first == keep || it->second->bytes == 0) continue;
      if (oldest == entries_.end() || it->second->last_used < oldest->second->last_used) oldest = it;
    }
    if (oldest == entries_.end()) return;
    bytes_ -= oldest->second->bytes;
    entries_.erase(oldest);
    ++evicted_;
  }
}

void PerfMapCache::EndWindow() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto current = it++;
    if (!current->second->looked_in_window) {
      bytes_ -= current->second->bytes;
      entries_.erase(current);
      continue;
    }
    current->second->looked_in_window = false;
  }
}

void PerfMapCache::AddTo(SymbolizerStats& stats) const {
  stats.perf_maps_cut_off += cut_off_;
  stats.perf_maps_evicted += evicted_;
  stats.cached_bytes += bytes_;
  for (const auto& [pid, entry] : entries_) stats.cached_perf_maps += entry->bytes > 0 ? 1 : 0;
}

}  // namespace pilotlight::agent
