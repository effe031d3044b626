#include "agent/schedule/capture_loop.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "agent/schedule/duty_cycle.h"
#include "agent/schedule/throttle.h"
#include "base/check.h"

namespace pilotlight::agent {

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
      failure_logs_(parts_.sources.size()) {
  CHECK(!parts_.sources.empty());
}

void CaptureLoop::Run(const StopSignal& stop) {
  DutyCycle cycle(options_.interval, parts_.sources.size(), parts_.timer->Now(), options_.phase);
  while (parts_.timer->WaitUntil(cycle.Next().start, stop)) {
    TakeTurn(cycle.Next().source, stop);
    cycle.Finish(parts_.timer->Now());
  }
}

void CaptureLoop::Report(TurnReport& report, absl::Duration kernel_time) {
  report.used_cores = budget_.Settle(parts_.timer->Now(), parts_.cpu_time(), kernel_time);
  parts_.observer->OnTurn(report);
}

void CaptureLoop::TakeTurn(size_t source, const StopSignal& stop) {
  CaptureSource& capture_source = *parts_.sources[source];
  TurnReport report;
  report.source = capture_source.name();
  report.throttle = ThrottleFor(budget_.left());
  report.capture = Throttled(options_.capture, report.throttle);
  if (budget_.exhausted()) {
    if (budget_log_.Allow()) {
      spdlog::warn(
          "skipping captures: the agent has used more CPU than --capture.max-overhead allows, "
          "which is {:.3f} cores",
          options_.max_overhead_cores);
    }
    report.outcome = WindowOutcome::kSkipped;
    Report(report, absl::ZeroDuration());
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
    Report(report, absl::ZeroDuration());
    return;
  }

  FoldedWindow folded = parts_.builder->Build(*capture, report.source, options_.interval);
  parts_.processes->EndWindow();
  const std::vector<SeriesInsight> insights = DeriveInsight(folded.window);
  report.folded = &folded;
  report.insights = &insights;
  report.lost = &capture->lost;
  spdlog::debug("window of {}: {} samples in {} series", std::string(report.source), folded.samples,
                folded.window.series.size());
  Report(report, capture->kernel_time);
  parts_.spool->Commit(std::move(folded.window));
}

}  // namespace pilotlight::agent
