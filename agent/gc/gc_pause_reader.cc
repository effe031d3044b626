#include "agent/gc/gc_pause_reader.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/process_memory.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;
// Of one process; the largest Go programs have a few MB.
constexpr uint64_t kMaxSearchBytes = uint64_t{64} << 20;
constexpr size_t kMaxWatched = 8192;
constexpr int kMaxMisreads = 3;
constexpr uint64_t kIdleWindows = 60;
// A process that has not collected yet is searched again, less and less often.
constexpr uint64_t kMaxWindowsBetweenSearches = 32;

}  // namespace

absl::StatusOr<uint64_t> GcPauseReader::Search(pid_t pid, const std::vector<AddressRange>& data,
                                               absl::Time now) {
  uint64_t budget = kMaxSearchBytes;
  for (const AddressRange& range : data) {
    // Chunks overlap by a record, so that none is missed at their edges.
    for (uint64_t at = range.start; at + kGoMemStatsBytes <= range.end && budget > 0;) {
      const size_t size = std::min<uint64_t>({kChunkBytes, range.end - at, budget});
      ASSIGN_OR_RETURN(const std::string memory, ReadProcessMemory(pid, at, size, proc_root_));
      if (const std::optional<size_t> found = FindGoMemStats(memory, now); found.has_value()) {
        return at + *found;
      }
      budget -= size;
      if (memory.size() <= kGoMemStatsBytes || at + size >= range.end) break;
      at += memory.size() - kGoMemStatsBytes / sizeof(uint64_t) * sizeof(uint64_t);
    }
  }
  return absl::NotFoundError(absl::StrCat("no runtime.memstats with a collection in process ", pid));
}

void GcPauseReader::Find(const Process& process, Watched& watched, absl::Time now) {
  if (watched.unreadable || watched.data.empty() || window_ < watched.next_search) return;
  const absl::StatusOr<uint64_t> address = Search(process.pid, watched.data, now);
  if (address.ok()) {
    watched.address = *address;
    return;
  }
  if (absl::IsPermissionDenied(address.status())) {
    watched.unreadable = true;
    ++unreadable_processes_;
    return;
  }
  watched.next_search =
      window_ + std::min(uint64_t{1} << std::min<uint64_t>(watched.searches, 5), kMaxWindowsBetweenSearches);
  ++watched.searches;
}

std::optional<GcPauses> GcPauseReader::Read(const Process& process, absl::Time now) {
  const auto found = watched_.find(process.pid);
  if (found == watched_.end() && watched_.size() >= kMaxWatched) return std::nullopt;
  Watched& watched = watched_[process.pid];
  if (found == watched_.end() || watched.start_ticks != process.start_ticks) {
    watched = {.start_ticks = process.start_ticks, .data = go_data_(process)};
  }
  watched.last_window = window_;
  const bool is_first = watched.address == 0;
  if (is_first) Find(process, watched, now);
  if (watched.address == 0) return std::nullopt;
  const absl::StatusOr<std::string> memory =
      ReadProcessMemory(process.pid, watched.address, kGoMemStatsBytes, proc_root_);
  if (!memory.ok() || memory->size() < kGoMemStatsBytes) return std::nullopt;
  const std::optional<GoMemStats> stats = ParseGoMemStats(*memory, now);
  if (!stats.has_value()) {
    // Read in the middle of a collection's end. When it goes on, what was found has only looked like the
    // record.
    if (++watched.misreads == kMaxMisreads) watched.address = 0;
    return std::nullopt;
  }
  watched.misreads = 0;
  const GcPauses result = is_first ? GcPauses() : PausesSince(*stats, watched.cycles);
  watched.cycles = stats->cycles;
  return result;
}

bool GcPauseReader::IsUnreadable(pid_t pid) const {
  const auto found = watched_.find(pid);
  return found != watched_.end() && found->second.unreadable;
}

size_t GcPauseReader::found_processes() const {
  return static_cast<size_t>(
      std::ranges::count_if(watched_, [](const auto& entry) { return entry.second.address != 0; }));
}

void GcPauseReader::EndWindow() {
  ++window_;
  absl::erase_if(watched_,
                 [this](const auto& entry) { return window_ - entry.second.last_window > kIdleWindows; });
}

}  // namespace pilotlight::agent
