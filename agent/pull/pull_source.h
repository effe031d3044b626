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

// What it can pull: the paths below /debug/pprof/.
inline constexpr const char* kPullKinds[] = {"goroutine", "heap", "mutex", "block"};

struct PullOptions {
  std::vector<std::string> kinds;             // of kPullKinds
  absl::Duration timeout = absl::Seconds(5);  // of one profile
  std::string proc_root = "/proc";
};

// One profile of one process at a time. What is there now (goroutines, heap in use) is taken as it is; what
// has happened (allocations, contention) is what was added since the last pull, so the window's span is that
// since the last one, and a process's first pull has none of it.
//
// Stops asking after the window's duration; those left over come first the next time, and are lost by the
// reason "not_its_turn". Others as those of PprofSource, and "unreachable" without CAP_SYS_ADMIN.
class PullSource : public CaptureSource {
 public:
  PullSource(PullOptions options, std::shared_ptr<GoEndpoints> endpoints);

  absl::string_view name() const override { return "pull"; }
  absl::StatusOr<Capture> Run(const CaptureOptions& options, ProcessObserver& observer,
                              const StopSignal& stop) override;

 private:
  // The reasons of what failed are added to `lost`.
  std::vector<Profile> Pull(const GoEndpoint& endpoint, const StopSignal& stop,
                            std::vector<std::string>& lost, std::vector<ToldGcPauses>& gc_pauses);
  void Keep(std::vector<Profile> profiles, const std::string& kind, const GoEndpoint& endpoint,
            std::vector<Profile>& kept);

  const PullOptions options_;
  const std::shared_ptr<GoEndpoints> endpoints_;
  ProfileDeltas deltas_;
  const MonotonicTime origin_ = MonotonicTime::Now();
  absl::Time last_start_ = absl::InfinitePast();
  pid_t last_pid_ = 0;  // of the last process that had its turn
};

}  // namespace pilotlight::agent
