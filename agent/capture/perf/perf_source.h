// The capture source for kernels or rights without BPF: call chains through perf ring buffers, counted in
// user space. Without CAP_PERFMON it still samples the user mode of one's own processes.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/capture/capture_source.h"
#include "agent/capture/perf/perf_events.h"
#include "agent/capture/stack_aggregator.h"

namespace pilotlight::agent {

// Not thread-safe: one thread captures at a time. Holds no event between windows.
class PerfSource : public CaptureSource {
 public:
  // PermissionDenied when not even an own process may be sampled.
  static absl::StatusOr<std::unique_ptr<PerfSource>> Create(const StackAggregator::Limits& limits = {});

  absl::string_view name() const override { return "perf"; }
  // A whole-node window without the right for it is PermissionDenied. With `pids` and without the right, only
  // the time in user mode is sampled.
  absl::StatusOr<Capture> Run(const CaptureOptions& options, ProcessObserver& observer,
                              const StopSignal& stop) override;

  // OK when all processes of the node can be sampled; else why not.
  const absl::Status& node_access() const { return node_access_; }

 private:
  class Window;

  PerfSource(const StackAggregator::Limits& limits, absl::Status node_access);
  bool SamplesNode(const CaptureOptions& options) const;
  absl::StatusOr<PerfEvents> Open(const CaptureOptions& options, uint64_t period_ns) const;

  const StackAggregator::Limits limits_;
  const absl::Status node_access_;
  const uint32_t max_frames_;
};

}  // namespace pilotlight::agent
