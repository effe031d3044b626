#include "agent/trigger/window_watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace pilotlight::agent {
namespace {

constexpr int kWindowsToKnow = 3;
constexpr double kNewWindowsWeight = 0.1;
constexpr uint64_t kWindowsToForget = 10;
// Less CPU than this makes shares noise.
constexpr double kMinCores = 0.1;
constexpr double kMcallRise = 0.15;
constexpr absl::Duration kMinPause = absl::Milliseconds(20);
constexpr double kPauseFactor = 5;

void Learn(double value, int seen, double& mean) {
  const double weight = std::max(kNewWindowsWeight, 1.0 / (seen + 1));
  mean += weight * (value - mean);
}

}  // namespace

void WindowWatch::OnWindow(const Window& window, const std::vector<SeriesInsight>& insights) {
  ++window_;
  absl::flat_hash_map<std::string, SeriesInsight> by_service;
  for (size_t i = 0; i < window.series.size(); ++i) {
    const auto service = window.series[i].labels.find(std::string(kServiceLabel));
    if (service != window.series[i].labels.end() && insights[i].go_samples > 0) {
      by_service[service->second] += insights[i];
    }
  }
  for (const auto& [service, insight] : by_service) {
    Usual& usual = services_[service];
    usual.last_window = window_;
    if (insight.cpu_cores < kMinCores) continue;
    const Ratio mcall = insight.go_ratio(GoClass::kMcall);
    if (usual.windows >= kWindowsToKnow && mcall.lower > usual.mcall_share + kMcallRise) {
      pending_ = {.trigger = "mcall",
                  .reason = absl::StrFormat("runtime.mcall went from %.0f to %.0f %% of %s",
                                            usual.mcall_share * 100, mcall.value * 100, service)};
    }
    Learn(mcall.value, usual.windows++, usual.mcall_share);
  }
  absl::erase_if(services_,
                 [this](const auto& entry) { return entry.second.last_window + kWindowsToForget < window_; });
}

void WindowWatch::OnGcPause(absl::string_view service, absl::Duration longest) {
  Usual& usual = services_[service];
  usual.last_window = window_;
  const double seconds = absl::ToDoubleSeconds(longest);
  if (usual.pauses >= kWindowsToKnow && longest > kMinPause &&
      seconds > kPauseFactor * usual.longest_pause_s) {
    pending_ = {.trigger = "gc_pause",
                .reason = absl::StrFormat("a garbage collection of %s paused it for %.0f ms", service,
                                          seconds * 1e3)};
  }
  Learn(seconds, usual.pauses++, usual.longest_pause_s);
}

std::optional<ExtraCapture> WindowWatch::Poll(absl::Duration /*now*/) { return std::exchange(pending_, {}); }

}  // namespace pilotlight::agent
