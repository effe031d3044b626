#include "agent/status_page.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace pilotlight::agent {
namespace {

std::string LastTurnText(const LastTurn& turn) {
  if (turn.source.empty()) return "none yet";
  std::string text = absl::StrFormat("%s by %s at %s", turn.outcome, turn.source,
                                     absl::FormatTime(absl::RFC3339_sec, turn.end, absl::UTCTimeZone()));
  if (turn.outcome == "ok") {
    absl::StrAppend(&text, ", ", turn.samples, " samples of ", turn.series, " label sets, ",
                    turn.lost_samples, " lost");
  }
  return text;
}

std::string CollectorText(const AgentStatus& status) {
  if (status.uplink.connected) return absl::StrCat(status.collector, ", connected");
  if (status.uplink.last_error.empty()) return absl::StrCat(status.collector, ", not connected yet");
  return absl::StrCat(status.collector, ", not connected: ", status.uplink.last_error);
}

std::string GoText(const GoStatus& go) {
  std::string text = absl::StrCat("GC pauses of ", go.gc_pauses_from_memory, " processes, from their memory");
  if (go.gc_pauses_from_pprof > 0) {
    absl::StrAppend(&text, "; of ", go.gc_pauses_from_pprof, " from their pprof endpoints");
  }
  if (go.gc_pauses_unreadable > 0) {
    absl::StrAppend(&text, "; of ", go.gc_pauses_unreadable, " it may not be read (CAP_SYS_PTRACE)");
  }
  if (go.timed_executables.has_value()) {
    absl::StrAppend(&text, "; stops of ", *go.timed_executables, " executables timed by uprobes");
  }
  if (go.pprof_endpoints.has_value()) {
    absl::StrAppend(&text, "; profiles pulled from ", *go.pprof_endpoints, " pprof endpoints");
  }
  return text;
}

}  // namespace

std::string RenderStatusPage(const AgentStatus& status) {
  uint64_t dropped = 0;
  for (const auto& [reason, windows] : status.spool.dropped_windows) dropped += windows;
  std::string text = absl::StrCat("pilotlight-agent ", status.version, " on ", status.node, "\n\n");
  absl::StrAppend(&text, "captures     ", absl::FormatDuration(status.capture_duration), " of every ",
                  absl::FormatDuration(status.capture_interval), " at ", status.frequency_hz, " Hz by ",
                  absl::StrJoin(status.sources, ", "), "\n");
  absl::StrAppend(&text, "last window  ", LastTurnText(status.last_turn), "\n");
  absl::StrAppend(&text, "own cost     ",
                  absl::StrFormat("%.3f %% of one core\n", status.last_turn.used_cores * 100));
  absl::StrAppend(&text, "Go           ", GoText(status.go), "\n");
  absl::StrAppend(&text, "collector    ", CollectorText(status), "\n");
  absl::StrAppend(&text, "windows      ", status.uplink.acknowledged_windows, " stored by the collector, ",
                  status.spool.windows, " waiting in ", status.spool.bytes, " bytes, ", dropped,
                  " dropped\n");
  absl::StrAppend(&text, "\n/metrics  /-/healthy  /-/ready\n");
  return text;
}

}  // namespace pilotlight::agent
