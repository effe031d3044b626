#include "agent/metrics/capture_metrics.h"

#include "absl/time/clock.h"

namespace pilotlight::agent {
CaptureMetrics::CaptureMetrics(const std::vector<std::string>& sources, int cpus, TargetMetrics& targets,
                               prometheus::Registry& registry)
    : cpus_(cpus),
      targets_(targets),
      windows_(AddCounters(registry, "pilotlight_capture_windows_total",
                           "Capture windows: ok, failed, or skipped because the agent cost too much.")),
      samples_(AddCounters(registry, "pilotlight_capture_samples_total", "Samples taken.")),
      kernel_seconds_(
          AddCounters(registry, "pilotlight_capture_kernel_seconds_total",
                      "CPU time that taking samples has cost in the kernel, as BPF measures it.")),
      lost_samples_(AddCounters(registry, "pilotlight_capture_lost_samples_total",
                                "Samples that were due, but are in no stack.")),
      vanished_processes_(AddCounters(registry, "pilotlight_capture_vanished_processes_total",
                                      "Sampled processes that ended before anything could be read of them.")),
      vanished_samples_(AddCounters(registry, "pilotlight_capture_vanished_samples_total",
                                    "Samples of such processes: without functions' names.")),
      broken_samples_(AddCounters(registry, "pilotlight_capture_broken_samples_total",
                                  "Samples whose stacks could not be walked to their outermost callers.")),
      dropped_samples_(AddCounters(registry, "pilotlight_capture_dropped_samples_total",
                                   "Samples of processes that --labels.relabel-config drops.")),
      triggers_(AddCounters(registry, "pilotlight_capture_triggers_total",
                            "Extra captures that were asked for: captured, too_soon after another one, "
                            "over_budget, or overloaded, when the node had no time for them.")),
      overhead_ratio_(AddGauges(registry, "pilotlight_capture_overhead_ratio",
                                "CPU time of the agent, with what BPF spends for it in the kernel, over all "
                                "CPU time of the node, from one turn to capture to the next.")),
      throttle_(AddGauges(registry, "pilotlight_capture_throttle",
                          "Steps by which captures are cheaper than configured, as the budget runs low: 0 is "
                          "the full rate and length, 3 a quarter of both.")),
      frequency_(AddGauges(registry, "pilotlight_capture_frequency_hertz",
                           "Samples a second of each CPU, in the last window.")),
      duration_(AddGauges(registry, "pilotlight_capture_duration_seconds", "Length of the last window.")),
      window_end_(AddGauges(registry, "pilotlight_capture_last_window_timestamp_seconds",
                            "When the last window was done.")) {
  for (const std::string& source : sources) {
    for (const WindowOutcome outcome :
         {WindowOutcome::kOk, WindowOutcome::kFailed, WindowOutcome::kSkipped}) {
      windows_.Add({{"source", source}, {"outcome", std::string(OutcomeName(outcome))}});
    }
    samples_.Add({{"source", source}});
    kernel_seconds_.Add({{"source", source}});
  }
  for (const char* trigger : {"cpu", "run_queue", "mcall", "gc_pause", "request"}) {
    triggers_.Add({{"trigger", trigger}, {"outcome", std::string(OutcomeName(TriggerOutcome::kCaptured))}});
  }
  vanished_processes_.Add({});
  vanished_samples_.Add({});
  broken_samples_.Add({});
  dropped_samples_.Add({});
  overhead_ratio_.Add({});
  throttle_.Add({});
}

void CaptureMetrics::OnTurn(const TurnReport& report) {
  const std::string source(report.source);
  windows_.Add({{"source", source}, {"outcome", std::string(OutcomeName(report.outcome))}}).Increment();
  SetValue(overhead_ratio_, report.used_cores / cpus_);
  SetValue(throttle_, report.throttle);
  for (const auto& [key, count] : report.extra_captures) {
    const auto& [trigger, outcome] = key;
    SetTotal(triggers_, {{"trigger", trigger}, {"outcome", std::string(OutcomeName(outcome))}}, count);
  }
  if (report.outcome != WindowOutcome::kOk) return;
  samples_.Add({{"source", source}}).Increment(static_cast<double>(report.folded->samples));
  kernel_seconds_.Add({{"source", source}}).Increment(absl::ToDoubleSeconds(report.kernel_time));
  for (const LostSamples& lost : *report.lost) {
    lost_samples_.Add({{"reason", lost.reason}}).Increment(static_cast<double>(lost.count));
  }
  vanished_processes_.Add({}).Increment(static_cast<double>(report.folded->vanished_processes));
  vanished_samples_.Add({}).Increment(static_cast<double>(report.folded->vanished_samples));
  broken_samples_.Add({}).Increment(static_cast<double>(report.folded->broken_samples));
  dropped_samples_.Add({}).Increment(static_cast<double>(report.folded->dropped_samples));
  SetValue(window_end_, absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  SetValue(frequency_, report.capture.frequency_hz);
  SetValue(duration_, absl::ToDoubleSeconds(report.folded->window.duration));
  targets_.Update(report.folded->window, *report.insights);
}

}  // namespace pilotlight::agent
