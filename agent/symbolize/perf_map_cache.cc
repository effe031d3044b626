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
#include "base/file.h"

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

// By the number that the process has in the innermost pid namespace. /tmp belongs to all: what another user
// has put there is not the process's own.
UniqueFd OpenOwn(const Process& process, const std::string& proc_root) {
  const std::string directory = absl::StrCat(proc_root, "/", process.pid);
  const absl::StatusOr<std::string> status = ReadFile(directory + "/status");
  if (!status.ok()) return {};
  const std::vector<std::string> numbers = StatusField(*status, "NSpid:");
  const std::vector<std::string> users = StatusField(*status, "Uid:");  // real, effective, …
  uint64_t user = 0;
  if (users.size() < 2 || !absl::SimpleAtoi(users[1], &user)) return {};
  const std::string pid = numbers.empty() ? absl::StrCat(process.pid) : numbers.back();
  absl::StatusOr<UniqueFd> fd = OpenInRoot(directory + "/root", absl::StrCat("/tmp/perf-", pid, ".map"));
  struct stat file {};
  if (!fd.ok() || ::fstat(fd->get(), &file) != 0 || !S_ISREG(file.st_mode)) return {};
  if (file.st_uid != user && file.st_uid != 0) return {};
  return *std::move(fd);
}

}  // namespace

bool HasPerfMap(const Process& process, const std::string& proc_root) {
  return OpenOwn(process, proc_root).valid();
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
    Update(process, *entry);
    MakeRoom(process.pid);
  }
  return entry->map.Find(address);
}

void PerfMapCache::Update(const Process& process, Entry& entry) {
  const UniqueFd fd = OpenOwn(process, proc_root_);
  struct stat status {};
  // The process may have ended, or taken it away: what was read still holds.
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) return;
  const auto size = static_cast<uint64_t>(status.st_size);
  if (entry.inode != status.st_ino || size < entry.read_bytes) {
    entry.map = PerfMap();
    entry.inode = status.st_ino;
    entry.read_bytes = 0;
  }
  std::string text;
  const uint64_t end = std::min<uint64_t>(size, limits_.file_bytes);
  if (end < size) ++cut_off_;
  while (entry.read_bytes + text.size() < end) {
    const size_t had = text.size();
    text.resize(had + std::min<uint64_t>(kReadBytes, end - entry.read_bytes - had));
    const ssize_t got =
        ::pread(fd.get(), text.data() + had, text.size() - had, static_cast<off_t>(entry.read_bytes + had));
    text.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0) break;
  }
  entry.read_bytes += entry.map.Append(text);
  Account(entry);
}

void PerfMapCache::Account(Entry& entry) {
  bytes_ -= entry.bytes;
  entry.bytes = entry.map.size() == 0 ? 0 : entry.map.byte_size();
  bytes_ += entry.bytes;
}

void PerfMapCache::MakeRoom(pid_t keep) {
  while (bytes_ > limits_.bytes) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->first == keep || it->second->map.size() == 0) continue;
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
  for (const auto& [pid, entry] : entries_) stats.cached_perf_maps += entry->map.size() > 0 ? 1 : 0;
}

}  // namespace pilotlight::agent
