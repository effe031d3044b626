#include "agent/pull/pull_source.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/capture/pprof/pprof_failure.h"
#include "agent/targets/network_namespace.h"
#include "base/http_client.h"
#include "exporters/pprof.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

// Small enough for the agent's own memory, whatever the program sends.
constexpr PprofLimits kLimits = {.max_bytes = size_t{32} << 20,
                                 .max_samples = 200'000,
                                 .max_strings = 200'000,
                                 .max_locations = 200'000,
                                 .max_nodes = 400'000};

std::string OwnerOf(const GoEndpoint& endpoint) {
  return absl::StrCat(endpoint.pid, "/", endpoint.start_ticks);
}

}  // namespace

PullSource::PullSource(PullOptions options) : options_(std::move(options)), endpoints_(options_.probe) {}

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
                                      std::vector<std::string>& lost) {
  std::vector<Profile> kept;
  const auto fail = [&](const std::string& kind, const PprofFailure& failure) {
    lost.push_back(failure.reason);
    spdlog::debug("pull: no {} profile of process {}: {}", kind, endpoint.pid, failure.advice);
  };
  const auto pull = [&] {
    for (const std::string& kind : options_.kinds) {
      const HttpGetOptions http = {.connect_timeout = absl::Seconds(1),
                                   .timeout = options_.timeout,
                                   .max_body_bytes = options_.max_body_bytes};
      const absl::StatusOr<HttpGetResult> answer =
          HttpGet(absl::StrCat("http://", endpoint.port.host, ":", endpoint.port.port, "/debug/pprof/", kind),
                  http, stop);
      if (!answer.ok()) {
        fail(kind, PprofFailureOf(answer.status()));
        endpoints_.Lost(endpoint.pid);
        return;
      }
      if (answer->status != 200) {
        fail(kind, PprofFailureOf(*answer));
        continue;
      }
      absl::StatusOr<std::vector<Profile>> profiles = ReadPprof(answer->body, kLimits);
      if (!profiles.ok()) {
        fail(kind, {"bad_profile", std::string(profiles.status().message())});
        continue;
      }
      Keep(*std::move(profiles), kind, endpoint, kept);
    }
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
  std::vector<GoEndpoint> endpoints = endpoints_.Round(
      begun - origin_, [this](const Process& process) { return IsAlive(process, options_.proc_root); });
  std::rotate(endpoints.begin(),
              std::ranges::find(endpoints, true,
                                [this](const GoEndpoint& endpoint) { return endpoint.pid > last_pid_; }),
              endpoints.end());
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
    for (Profile& profile : Pull(endpoint, stop, lost)) capture.profiles.push_back(std::move(profile));
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
