#include "agent/capture/pprof/pprof_source.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/capture/pprof/pprof_request.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kLogInterval = absl::Minutes(1);

Labels LabelsOf(const PprofTarget& target) {
  return {{std::string(kServiceLabel), target.service}, {"instance", target.instance}};
}

}  // namespace

absl::StatusOr<std::unique_ptr<PprofSource>> PprofSource::Create(PprofSourceOptions options) {
  if (options.targets.empty())
    return absl::InvalidArgumentError("there is no pprof target: give at least one URL");
  absl::flat_hash_set<std::string> urls;
  for (const PprofTarget& target : options.targets) {
    if (!urls.insert(target.url).second) {
      return absl::InvalidArgumentError(absl::StrCat("the pprof target ", target.url, " is there twice"));
    }
  }
  options.max_concurrent = std::max<size_t>(options.max_concurrent, 1);
  return std::unique_ptr<PprofSource>(new PprofSource(std::move(options)));
}

PprofSource::PprofSource(PprofSourceOptions options)
    : options_(std::move(options)), last_logs_(options_.targets.size()) {}

absl::StatusOr<Capture> PprofSource::Run(const CaptureOptions& options, ProcessObserver& /*observer*/,
                                         const StopSignal& stop) {
  Capture capture;
  capture.start = absl::Now();
  const auto started = std::chrono::steady_clock::now();

  const size_t all = options_.targets.size();
  const size_t asked = std::min(all, options_.max_concurrent);
  std::vector<size_t> targets;  // of this window
  for (size_t i = 0; i < asked; ++i) targets.push_back((next_target_ + i) % all);
  next_target_ = (next_target_ + asked) % all;

  std::vector<Answer> answers(asked);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < asked; ++i) {
    threads.emplace_back([this, i, &answers, &targets, &options, &stop] {
      answers[i] = Pull(options_.targets[targets[i]], options.duration, stop);
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::map<std::string, uint64_t> lost;
  if (asked < all) lost["not_its_turn"] = all - asked;
  for (size_t i = 0; i < asked; ++i) {
    Log(targets[i], answers[i]);
    if (!answers[i].lost_reason.empty()) ++lost[answers[i].lost_reason];
    for (Profile& profile : answers[i].profiles) capture.profiles.push_back(std::move(profile));
    if (answers[i].gc_pauses.has_value()) {
      const PprofTarget& target = options_.targets[targets[i]];
      capture.gc_pauses.push_back({target.url, LabelsOf(target), *answers[i].gc_pauses});
    }
  }
  for (const auto& [reason, count] : lost) capture.lost.push_back({.reason = reason, .count = count});
  // Programs watched themselves for the seconds asked for; answers take a little longer.
  capture.duration =
      std::min(absl::FromChrono(std::chrono::steady_clock::now() - started), PprofSeconds(options.duration));
  return capture;
}

PprofSource::Answer PprofSource::Pull(const PprofTarget& target, absl::Duration duration,
                                      const StopSignal& stop) const {
  PprofAnswer answer =
      GetProfiles(target.ProfileUrl(duration), Http(PprofSeconds(duration) + options_.grace), {}, stop);
  if (answer.failure.has_value()) {
    PprofFailure& failure = *answer.failure;
    if (failure.reason == "bad_profile") failure.advice += "; is this the address of a Go program?";
    return {.profiles = {},
            .lost_reason = std::move(failure.reason),
            .advice = std::move(failure.advice),
            .gc_pauses = std::nullopt};
  }
  for (Profile& profile : answer.profiles) {
    for (const auto& [name, value] : LabelsOf(target)) profile.labels[name] = value;
    // An old Go program, or another one, may leave it out.
    if (profile.duration == absl::ZeroDuration()) profile.duration = PprofSeconds(duration);
  }
  return {.profiles = std::move(answer.profiles),
          .lost_reason = "",
          .advice = "",
          .gc_pauses = options_.gc_pauses ? AskForGcPauses(target, stop) : std::nullopt};
}

std::optional<GoMemStats> PprofSource::AskForGcPauses(const PprofTarget& target,
                                                      const StopSignal& stop) const {
  const absl::StatusOr<GoMemStats> stats = GetGcPauses(target.HeapTextUrl(), Http(options_.grace), stop);
  if (stats.ok()) return *stats;
  spdlog::debug("pprof: no GC pauses of {}: {}", target.service, std::string(stats.status().message()));
  return std::nullopt;
}

HttpGetOptions PprofSource::Http(absl::Duration timeout) const {
  return {.connect_timeout = options_.connect_timeout,
          .timeout = timeout,
          .max_body_bytes = options_.max_body_bytes};
}

void PprofSource::Log(size_t target, const Answer& answer) {
  LastLog& last = last_logs_[target];
  const PprofTarget& at = options_.targets[target];
  if (answer.lost_reason.empty() || answer.lost_reason == "stopped") {
    if (answer.lost_reason.empty() && !last.reason.empty()) {
      spdlog::info("pprof: {} ({}) gives profiles again", at.service, at.url);
      last = LastLog();
    }
    return;
  }
  const absl::Time now = absl::Now();
  if (last.reason == answer.lost_reason && now - last.time < kLogInterval && now >= last.time) return;
  last = {.reason = answer.lost_reason, .time = now};
  spdlog::warn("pprof: no profile of {} ({}): {}", at.service, at.url, answer.advice);
}

}  // namespace pilotlight::agent
