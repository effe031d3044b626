#include "agent/targets/process_maps.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

// A process of tens of thousands of mappings has some 10 MiB of lines.
constexpr size_t kMaxMapsBytes = size_t{32} << 20;

bool ParseNumber(absl::string_view text, int base, uint64_t& value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

// Takes the text up to the next space off the front of `line`, with the spaces behind it.
absl::string_view TakeField(absl::string_view& line) {
  const size_t length = std::min(line.find(' '), line.size());
  const absl::string_view field = line.substr(0, length);
  line.remove_prefix(std::min(line.find_first_not_of(' ', length), line.size()));
  return field;
}

bool ParsePair(absl::string_view text, char separator, uint64_t& first, uint64_t& second) {
  const size_t at = text.find(separator);
  return at != absl::string_view::npos && ParseNumber(text.substr(0, at), 16, first) &&
         ParseNumber(text.substr(at + 1), 16, second);
}

// start-end permissions offset major:minor inode path
bool ParseLine(absl::string_view line, Mapping& mapping) {
  if (!ParsePair(TakeField(line), '-', mapping.start, mapping.end) || mapping.start >= mapping.end)
    return false;
  if (!absl::StrContains(TakeField(line), 'x')) return false;
  uint64_t major = 0;
  uint64_t minor = 0;
  if (!ParseNumber(TakeField(line), 16, mapping.file_offset)) return false;
  if (!ParsePair(TakeField(line), ':', major, minor)) return false;
  if (!ParseNumber(TakeField(line), 10, mapping.inode)) return false;
  mapping.device = makedev(static_cast<unsigned>(major), static_cast<unsigned>(minor));
  mapping.deleted = mapping.inode != 0 && absl::ConsumeSuffix(&line, " (deleted)");
  // "[anon:NAME]" is memory that prctl(PR_SET_VMA_ANON_NAME) has named: a JIT's, not a file's.
  if (absl::StartsWith(line, "[anon")) return true;
  // The kernel writes a newline of a path as \012, and nothing else so (seq_file_path in fs/proc/task_mmu.c).
  mapping.path = absl::StrReplaceAll(line, {{"\\012", "\n"}});
  return true;
}

}  // namespace

absl::StatusOr<ProcessMaps> ProcessMaps::Read(pid_t pid, const std::string& proc_root) {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile(absl::StrCat(proc_root, "/", pid, "/maps"), kMaxMapsBytes));
  return Parse(text);
}

ProcessMaps ProcessMaps::Parse(absl::string_view text) {
  ProcessMaps maps;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    Mapping mapping;
    if (ParseLine(line, mapping)) maps.mappings_.push_back(std::move(mapping));
  }
  std::ranges::sort(maps.mappings_, {}, &Mapping::start);
  return maps;
}

const Mapping* ProcessMaps::Find(uint64_t address) const {
  const auto after = std::ranges::upper_bound(mappings_, address, {}, &Mapping::start);
  if (after == mappings_.begin()) return nullptr;
  const Mapping& candidate = *std::prev(after);
  return address < candidate.end ? &candidate : nullptr;
}

}  // namespace pilotlight::agent
