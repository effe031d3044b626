// Takes CPU profiles from the Go programs of this node, where nothing samples the node itself.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/capture/capture_source.h"
#include "agent/capture/monotonic_time.h"
#include "agent/pull/go_endpoints.h"

namespace pilotlight::agent {

// One program in each window, for all of its time: they take turns. Rate, pids and kernel frames of the
// options do not apply: a Go program samples itself at 100 Hz. Losses as those of PprofSource, and
// "unreachable" without CAP_SYS_ADMIN.
class CpuPullSource : public CaptureSource {
 public:
  explicit CpuPullSource(std::shared_ptr<GoEndpoints> endpoints, std::string proc_root = "/proc",
                         absl::Duration grace = absl::Seconds(10))
      : endpoints_(std::move(endpoints)), proc_root_(std::move(proc_root)), grace_(grace) {}

  absl::string_view name() const override { return "cpu_pull"; }
  absl::StatusOr<Capture> Run(const CaptureOptions& options, ProcessObserver& observer,
                              const StopSignal& stop) override;

 private:
  const std::shared_ptr<GoEndpoints> endpoints_;
  const std::string proc_root_;
  const absl::Duration grace_;  // for the answer, beyond the profile's own length
  const MonotonicTime origin_ = MonotonicTime::Now();
  pid_t last_pid_ = 0;  // of the last process that had its turn
};

}  // namespace pilotlight::agent
