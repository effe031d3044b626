#include "agent/gc/heap_text.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pilotlight::agent {

absl::StatusOr<GoMemStats> ParseHeapText(absl::string_view text) {
  const size_t at = text.rfind("\n# runtime.MemStats\n");
  if (at == absl::string_view::npos) return absl::InvalidArgumentError("there is no runtime.MemStats");
  GoMemStats stats;
  bool has_pauses = false;
  for (const absl::string_view line : absl::StrSplit(text.substr(at + 1), '\n')) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(line, absl::MaxSplits(" = ", 1));
    if (field.first == "# PauseNs") {
      const std::vector<absl::string_view> pauses =
          absl::StrSplit(absl::StripSuffix(absl::StripPrefix(field.second, "["), "]"), ' ');
      if (pauses.size() != GoMemStats::kPauses) {
        return absl::InvalidArgumentError(absl::StrCat("PauseNs has ", pauses.size(), " numbers"));
      }
      for (size_t i = 0; i < pauses.size(); ++i) {
        if (!absl::SimpleAtoi(pauses[i], &stats.pause_ns[i])) {
          return absl::InvalidArgumentError("PauseNs has something else than numbers");
        }
      }
      has_pauses = true;
    } else if (field.first == "# NumGC" && !absl::SimpleAtoi(field.second, &stats.cycles)) {
      return absl::InvalidArgumentError("NumGC is no number");
    }
  }
  if (!has_pauses || stats.cycles == 0) return absl::InvalidArgumentError("there was no collection yet");
  return stats;
}

}  // namespace pilotlight::agent
