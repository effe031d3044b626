// Asks Go programs for their own CPU profiles, over HTTP: needs no rights on the node at all.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/capture/capture_source.h"
#include "agent/capture/pprof/pprof_target.h"
#include "base/http_client.h"

namespace pilotlight::agent {

struct PprofSourceOptions {
  std::vector<PprofTarget> targets;
  // Targets asked in one window. With more of them they take turns, window by window.
  size_t max_concurrent = 64;
  absl::Duration connect_timeout = absl::Seconds(3);
  absl::Duration grace = absl::Seconds(10);  // for the answer, beyond the profile's own length
  size_t max_body_bytes = size_t{16} << 20;  // of one gzipped profile
  bool gc_pauses = false;                    // asks for them too
};

// Asks all targets at once. Each profile gets the labels service_name and instance.
//
// A target that gives no profile is one lost sample by the reason "unreachable", "timeout", "no_endpoint",
// "busy" (another CPU profile of it runs), "write_timeout", "http_error", "redirect", "too_large",
// "bad_profile", "stopped" or "not_its_turn"; the log says what to do, at most once a minute per target and
// reason. Rate, pids and kernel frames of the options do not apply: a Go program samples itself at 100 Hz.
class PprofSource : public CaptureSource {
 public:
  // InvalidArgument without a target, or when one is there twice: it can take one profile at a time.
  static absl::StatusOr<std::unique_ptr<PprofSource>> Create(PprofSourceOptions options);

  absl::string_view name() const override { return "pprof"; }
  // Takes whole seconds, at least one. Programs end their profiles early on `stop`, without giving them.
  absl::StatusOr<Capture> Run(const CaptureOptions& options, ProcessObserver& observer,
                              const StopSignal& stop) override;

 private:
  struct Answer {
    std::vector<Profile> profiles;
    std::string lost_reason;  // empty when there are profiles
    std::string advice;       // what went wrong and what to do
    std::optional<GoMemStats> gc_pauses;
  };
  struct LastLog {
    std::string reason;
    absl::Time time = absl::InfinitePast();
  };

  explicit PprofSource(PprofSourceOptions options);
  Answer Pull(const PprofTarget& target, absl::Duration duration, const StopSignal& stop) const;
  HttpGetOptions Http(absl::Duration timeout) const;
  std::optional<GoMemStats> AskForGcPauses(const PprofTarget& target, const StopSignal& stop) const;
  void Log(size_t target, const Answer& answer);

  const PprofSourceOptions options_;
  size_t next_target_ = 0;  // the first one of the next window
  std::vector<LastLog> last_logs_;
};

}  // namespace pilotlight::agent
