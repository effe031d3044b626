// The duty cycle: capture, name, judge, hand on; then sleep until the next turn.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/capture/capture_source.h"
#include "agent/fold/window_builder.h"
#include "agent/insight/series_insight.h"
#include "agent/schedule/monotonic_timer.h"
#include "agent/schedule/overhead_budget.h"
#include "agent/targets/process_table.h"
#include "agent/trigger/extra_captures.h"
#include "agent/uplink/log_limit.h"
#include "agent/uplink/spool.h"
#include "base/stop_signal.h"

namespace pilotlight::agent {

struct CaptureLoopOptions {
  CaptureOptions capture;
  absl::Duration interval = absl::Seconds(60);
  // Until the first turn, below the interval; random, so that the nodes of a cluster do not all capture at
  // the same time.
  absl::Duration phase;
  double max_overhead_cores = 0.01;  // mean CPU use allowed, see OverheadBudget
  ExtraCaptureOptions extra;
};

enum class WindowOutcome {
  kOk,
  kFailed,   // the source could not capture
  kSkipped,  // not even tried: the agent had used more CPU than it may
};

// The value of the metrics' label `outcome`.
absl::string_view OutcomeName(WindowOutcome outcome);

// Everything about one turn that metrics want. Valid only during the call.
struct TurnReport {
  absl::string_view source;
  absl::string_view trigger;  // of an extra capture
  WindowOutcome outcome = WindowOutcome::kOk;
  const FoldedWindow* folded = nullptr;                  // with kOk
  const std::vector<SeriesInsight>* insights = nullptr;  // with kOk, one per series
  const std::vector<LostSamples>* lost = nullptr;        // with kOk
  const std::vector<ToldGcPauses>* gc_pauses = nullptr;  // with kOk
  absl::Duration kernel_time;                            // Capture::kernel_time
  // How the window was taken, or would have been.
  CaptureOptions capture;
  int throttle = 0;                      // see Throttled()
  double used_cores = 0;                 // the agent's own mean CPU use since the turn before, in cores
  ExtraCaptures::Counts extra_captures;  // what has become of all of them
};

class TurnObserver {
 public:
  virtual ~TurnObserver() = default;
  // In the loop's thread.
  virtual void OnTurn(const TurnReport& report) = 0;
};

struct CaptureLoopParts {
  std::vector<CaptureSource*> sources;  // at least one
  ProcessTable* processes = nullptr;
  // What the sources tell of their processes, by source; each puts them into `processes`.
  std::vector<ProcessObserver*> process_observers;
  WindowBuilder* builder = nullptr;
  Spool* spool = nullptr;
  TurnObserver* observer = nullptr;
  MonotonicTimer* timer = nullptr;
  std::vector<Trigger*> triggers;  // what may ask for an extra capture, by the first source
  std::function<bool()> overloaded = [] { return false; };  // the node: no time for extra captures
  // Spent by this thread and all others of the agent, and in the kernel for it besides captures; only
  // growing.
  std::function<absl::Duration()> cpu_time = ProcessCpuTime;
};

class CaptureLoop {
 public:
  // The parts are borrowed.
  CaptureLoop(const CaptureLoopOptions& options, CaptureLoopParts parts);

  // Until `stop`. A window that is being taken then is still folded and handed on. A window that fails is
  // counted, and the next one goes on.
  void Run(const StopSignal& stop);

 private:
  // `extra` is null for a turn of the duty cycle.
  void TakeTurn(size_t source, const ExtraCapture* extra, const StopSignal& stop);
  void Report(TurnReport& report);

  const CaptureLoopOptions options_;
  const CaptureLoopParts parts_;
  OverheadBudget budget_;
  ExtraCaptures extras_;
  std::vector<LogLimit> failure_logs_;  // by source
  LogLimit budget_log_;
};

}  // namespace pilotlight::agent
