#include "agent/pull/cpu_pull_source.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/capture/pprof/pprof_target.h"
#include "agent/pull/endpoint_request.h"
#include "agent/targets/network_namespace.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {

absl::StatusOr<Capture> CpuPullSource::Run(const CaptureOptions& options, ProcessObserver& /*observer*/,
                                           const StopSignal& stop) {
  Capture capture;
  capture.start = absl::Now();
  const MonotonicTime begun = MonotonicTime::Now();
  std::vector<GoEndpoint> endpoints = endpoints_->Round(
      begun - origin_, [this](const Process& process) { return IsAlive(process, proc_root_); });
  if (endpoints.empty()) return capture;
  StartBehind(last_pid_, endpoints);
  const GoEndpoint& endpoint = endpoints.front();
  last_pid_ = endpoint.pid;
  capture.turns = static_cast<int>(endpoints.size());

  const absl::Duration seconds = PprofSeconds(options.duration);
  PprofAnswer answer;
  const auto pull = [&] {
    answer = GetProfiles(endpoint, absl::StrCat("profile?seconds=", absl::ToInt64Seconds(seconds)),
                         seconds + grace_, stop);
  };
  if (const absl::Status entered = RunInNetworkOf(endpoint.pid, pull, proc_root_); !entered.ok()) {
    answer.failure = {"unreachable", std::string(entered.message())};
  } else if (!answer.reached) {
    endpoints_->Lost(endpoint.pid);
  }
  if (answer.failure.has_value()) {
    capture.lost.push_back({.reason = answer.failure->reason, .count = 1});
    spdlog::debug("pull: no CPU profile of process {}: {}", endpoint.pid, answer.failure->advice);
  }
  for (Profile& profile : answer.profiles) {
    profile.labels = endpoint.labels;
    capture.profiles.push_back(std::move(profile));
  }
  capture.duration = std::min(MonotonicTime::Now() - begun, seconds);
  return capture;
}

}  // namespace pilotlight::agent
