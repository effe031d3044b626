// Pulls goroutine, heap, mutex and block profiles from the Go programs of this node, inside their pods.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/capture/capture_source.h"
#include "agent/capture/monotonic_time.h"
#include "agent/pull/go_endpoints.h"
#include "agent/pull/profile_deltas.h"

namespace pilotlight::agent {

// What can be pulled: the paths below /debug/pprof/.
inline constexpr const char* kPullKinds[] = {"goroutine", "heap", "mutex", "block"};

struct PullOptions {
  std::vector<std::string> kinds;             // of kPullKinds
  absl::Duration timeout = absl::Seconds(5);  // of one profile
  size_t max_body_bytes = size_t{8} << 20;    // of one gzipped profile
  std::string proc_root = "/proc";
  GoEndpoints::Probe probe = GoEndpoints::SystemProbe();
};

// One profile of one process at a time. What is there now (goroutines, heap in use) is taken as it is; what
// has happened (allocations, contention) is what was added since the last pull, so the window's span is that
// since the last one, and a process's first pull has none of it.
//
// Stops asking after the window's duration; those left over come first the next time, and are lost by the
// reason "not_its_turn". Others as those of PprofSource, and "unreachable" without CAP_SYS_ADMIN.
class PullSource : public CaptureSource {
 public:
  explicit PullSource(PullOptions options);

  // A Go process was seen at work. Thread-safe.
  void OnGoProcess(const std::shared_ptr<const Process>& process) { endpoints_.OnGoProcess(process); }
  // A process is not to be profiled. Thread-safe.
  void OnDroppedProcess(pid_t pid) { endpoints_.Forget(pid); }

  // How many are known to serve profiles. Thread-safe.
  size_t endpoints() { return endpoints_.found(); }

  absl::string_view name() const override { return "pull"; }
  absl::StatusOr<Capture> Run(const CaptureOptions& options, ProcessObserver& observer,
                              const StopSignal& stop) override;

 private:
  // The reasons of what failed are added to `lost`.
  std::vector<Profile> Pull(const GoEndpoint& endpoint, const StopSignal& stop,
                            std::vector<std::string>& lost);
  void Keep(std::vector<Profile> profiles, const std::string& kind, const GoEndpoint& endpoint,
            std::vector<Profile>& kept);

  const PullOptions options_;
  GoEndpoints endpoints_;
  ProfileDeltas deltas_;
  const MonotonicTime origin_ = MonotonicTime::Now();
  absl::Time last_start_ = absl::InfinitePast();
  pid_t last_pid_ = 0;  // of the last process that had its turn
};

}  // namespace pilotlight::agent
