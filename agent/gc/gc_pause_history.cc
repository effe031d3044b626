#include "agent/gc/gc_pause_history.h"

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kForgetAfter = absl::Hours(1);

}  // namespace

GcPauses GcPauseHistory::Since(const std::string& program, const GoMemStats& stats, absl::Time now) {
  absl::erase_if(last_, [now](const auto& entry) { return now - entry.second.time > kForgetAfter; });
  const auto [last, is_new] = last_.try_emplace(program);
  const uint32_t before = last->second.cycles;
  last->second = {.cycles = stats.cycles, .time = now};
  if (is_new || stats.cycles < before) return {};
  return PausesSince(stats, before);
}

}  // namespace pilotlight::agent
