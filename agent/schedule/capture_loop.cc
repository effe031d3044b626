#include "agent/schedule/capture_loop.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "agent/schedule/duty_cycle.h"
#include "agent/schedule/throttle.h"
#include "base/check.h"

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(500);

}  // namespace

absl::string_view OutcomeName(WindowOutcome outcome) {
  switch (outcome) {
    case WindowOutcome::kOk:
      return "ok";
    case WindowOutcome::kFailed:
      return "failed";
    case WindowOutcome::kSkipped:
      return "skipped";
  }
  return "unknown";
}

CaptureLoop::CaptureLoop(const CaptureLoopOptions& options, CaptureLoopParts parts)
    : options_(options),
      parts_(std::move(parts)),
      budget_(options.max_overhead_cores, parts_.timer->Now(), parts_.cpu_time()),
      extras_(options.extra, parts_.triggers, parts_.overloaded),
      failure_logs_(parts_.sources.size()) {
  CHECK(!parts_.sources.empty());
}

void CaptureLoop::Run(const StopSignal& stop) {
  DutyCycle cycle(options_.interval, parts_.sources.size(), parts_.timer->Now(), options_.phase);
  while (true) {
    const Turn turn = cycle.Next();
    const absl::Duration until =
        parts_.triggers.empty() ? turn.start : std::min(turn.start, parts_.timer->Now() + kPollInterval);
    if (!parts_.timer->WaitUntil(until, stop)) return;
    if (parts_.timer->Now() >= turn.start) {
      TakeTurn(turn.source, /*extra=*/nullptr, stop);
      cycle.Finish(parts_.timer->Now());
    } else if (const auto extra = extras_.Next(parts_.timer->Now(), budget_.left())) {
      TakeTurn(/*source=*/0, &*extra, stop);
    }
  }
}

void CaptureLoop::Report(TurnReport& report) {
  report.used_cores = budget_.Settle(parts_.timer->Now(), parts_.cpu_time(), report.kernel_time);
  report.extra_captures = extras_.counts();
  parts_.observer->OnTurn(report);
}

void CaptureLoop::TakeTurn(size_t source, const ExtraCapture* extra, const StopSignal& stop) {
  CaptureSource& capture_source = *parts_.sources[source];
  TurnReport report;
  report.source = capture_source.name();
  report.throttle = ThrottleFor(budget_.left());
  CaptureOptions wanted = options_.capture;
  absl::Duration interval = options_.interval;
  if (extra != nullptr) {
    report.trigger = extra->trigger;
    if (extra->duration > absl::ZeroDuration()) wanted.duration = extra->duration;
    interval = wanted.duration;  // the turns before and after it stand for the rest
    spdlog::info("extra capture: {}", extra->reason);
  }
  // What the agent may use in the mean until this source's next turn.
  if (options_.max_overhead_cores > 0) {
    wanted.max_kernel_time = options_.interval * options_.max_overhead_cores;
  }
  report.capture = Throttled(wanted, report.throttle);
  if (budget_.exhausted()) {
    if (budget_log_.Allow()) {
      spdlog::warn(
          "skipping captures: the agent has used more CPU than --capture.max-overhead allows, "
          "which is {:.3f} cores",
          options_.max_overhead_cores);
    }
    report.outcome = WindowOutcome::kSkipped;
    Report(report);
    if (extra != nullptr) extra->done(OverBudget());
    return;
  }

  parts_.spool->BeginWindow();
  absl::StatusOr<Capture> capture =
      capture_source.Run(report.capture, *parts_.process_observers[source], stop);
  if (!capture.ok()) {
    parts_.spool->AbandonWindow("capture_failed");
    if (failure_logs_[source].Allow()) {
      spdlog::warn("capture by {} failed: {}", std::string(report.source),
                   std::string(capture.status().message()));
    }
    report.outcome = WindowOutcome::kFailed;
    Report(report);
    if (extra != nullptr) extra->done(capture.status());
    return;
  }

  parts_.processes->UpdateLabels();
  FoldedWindow folded = parts_.builder->Build(*capture, report.source, interval * capture->turns);
  parts_.processes->EndWindow();
  const std::vector<SeriesInsight> insights = DeriveInsight(folded.window);
  report.folded = &folded;
  report.insights = &insights;
  report.lost = &capture->lost;
  report.gc_pauses = &capture->gc_pauses;
  spdlog::debug("window of {}: {} samples in {} series", std::string(report.source), folded.samples,
                folded.window.series.size());
  report.kernel_time = capture->kernel_time;
  Report(report);
  const CapturedWindow captured = {folded.window.start, folded.window.duration, folded.samples};
  if (extra != nullptr) {
    for (Series& series : folded.window.series) series.labels[kTriggerLabel] = extra->trigger;
  }
  parts_.spool->Commit(std::move(folded.window));
  if (extra != nullptr) extra->done(captured);
}

}  // namespace pilotlight::agent
