// The agent's front page, for people with curl.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/uplink/spool.h"
#include "agent/uplink/uplink.h"

namespace pilotlight::agent {

struct LastTurn {
  std::string source;  // empty before the first one
  std::string outcome;
  absl::Time end;
  uint64_t samples = 0;
  uint64_t lost_samples = 0;
  size_t series = 0;
  double used_cores = 0;
};

// Where what is told of Go programs comes from.
struct GoStatus {
  size_t gc_pauses_from_memory = 0;         // processes whose pauses are read
  size_t gc_pauses_from_pprof = 0;          // those that have told them
  uint64_t gc_pauses_unreadable = 0;        // processes whose memory may not be read
  std::optional<size_t> timed_executables;  // whose stops are timed by uprobes
  std::optional<size_t> pprof_endpoints;    // that profiles are pulled from; nothing when that is off
};

struct AgentStatus {
  std::string version;
  std::string node;
  std::vector<std::string> sources;
  absl::Duration capture_duration;
  absl::Duration capture_interval;
  int frequency_hz = 0;
  std::string collector;
  LastTurn last_turn;
  GoStatus go;
  SpoolStats spool;
  UplinkStats uplink;
};

std::string RenderStatusPage(const AgentStatus& status);

}  // namespace pilotlight::agent
