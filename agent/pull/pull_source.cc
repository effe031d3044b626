#include "agent/pull/pull_source.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/pull/endpoint_request.h"
#include "agent/targets/network_namespace.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

std::string OwnerOf(const GoEndpoint& endpoint) {
  return absl::StrCat(endpoint.pid, "/", endpoint.start_ticks);
}

}  // namespace

PullSource::PullSource(PullOptions options, std::shared_ptr<GoEndpoints> endpoints)
    : options_(std::move(options)), endpoints_(std::move(endpoints)) {}

void PullSource::Keep(std::vector<Profile> profiles, const std::string& kind, const GoEndpoint& endpoint,
                      std::vector<Profile>& kept) {
  for (Profile& profile : profiles) {
    // Files of mutex and block profiles look alike.
    if (kind == "mutex" || kind == "block") profile.type.name = kind;
    profile.labels = endpoint.labels;
    if (IsInstantaneous(profile.type)) {
      kept.push_back(std::move(profile));
      continue;
    }
    std::optional<Profile> grown = deltas_.Since(OwnerOf(endpoint), std::move(profile));
    if (grown.has_value() && !grown->samples.empty()) kept.push_back(*std::move(grown));
  }
}

std::vector<Profile> PullSource::Pull(const GoEndpoint& endpoint, const StopSignal& stop,
                                      std::vector<std::string>& lost, std::vector<ToldGcPauses>& gc_pauses) {
  std::vector<Profile> kept;
  const auto fail = [&](const std::string& kind, const PprofFailure& failure) {
    lost.push_back(failure.reason);
    spdlog::debug("pull: no {} profile of process {}: {}", kind, endpoint.pid, failure.advice);
  };
  const auto pull = [&] {
    for (const std::string& kind : options_.kinds) {
      PprofAnswer answer = GetProfiles(endpoint, kind, options_.timeout, stop);
      if (answer.failure.has_value()) fail(kind, *answer.failure);
      if (!answer.reached) {
        endpoints_->Lost(endpoint.pid);
        return;
      }
      Keep(std::move(answer.profiles), kind, endpoint, kept);
    }
    if (!endpoint.tells_gc_pauses) return;
    const absl::StatusOr<GoMemStats> stats = GetGcPauses(endpoint, options_.timeout, stop);
    if (stats.ok()) gc_pauses.push_back({OwnerOf(endpoint), endpoint.labels, *stats});
  };
  if (const absl::Status entered = RunInNetworkOf(endpoint.pid, pull, options_.proc_root); !entered.ok()) {
    fail("any", {"unreachable", std::string(entered.message())});
  }
  return kept;
}

absl::StatusOr<Capture> PullSource::Run(const CaptureOptions& options, ProcessObserver& /*observer*/,
                                        const StopSignal& stop) {
  const absl::Time start = absl::Now();
  const MonotonicTime begun = MonotonicTime::Now();
  std::vector<GoEndpoint> endpoints = endpoints_->Round(
      begun - origin_, [this](const Process& process) { return IsAlive(process, options_.proc_root); });
  StartBehind(last_pid_, endpoints);
  Capture capture;
  std::vector<std::string> lost;
  absl::flat_hash_set<std::string> owners;
  for (const GoEndpoint& endpoint : endpoints) {
    owners.insert(OwnerOf(endpoint));
    if (stop.stopped() || MonotonicTime::Now() - begun >= options.duration) {
      lost.emplace_back(stop.stopped() ? "stopped" : "not_its_turn");
      continue;
    }
    last_pid_ = endpoint.pid;
    for (Profile& profile : Pull(endpoint, stop, lost, capture.gc_pauses)) {
      capture.profiles.push_back(std::move(profile));
    }
  }
  deltas_.Retain(owners);
  std::map<std::string, uint64_t> lost_by_reason;
  for (const std::string& reason : lost) ++lost_by_reason[reason];
  for (const auto& [reason, count] : lost_by_reason) {
    capture.lost.push_back({.reason = reason, .count = count});
  }
  // Of the first window, which has only what is there now, the pull itself.
  capture.start = last_start_ == absl::InfinitePast() || last_start_ >= start ? start : last_start_;
  capture.duration = std::max(start - capture.start, MonotonicTime::Now() - begun);
  last_start_ = start;
  return capture;
}

}  // namespace pilotlight::agent
