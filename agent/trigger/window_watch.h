// Asks for an extra capture when a window shows that a Go service has changed for the worse.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/insight/series_insight.h"
#include "agent/trigger/trigger.h"
#include "profile/profile.h"

namespace pilotlight::agent {

// Triggers "mcall" and "gc_pause", against the service's own windows before. Not thread-safe.
class WindowWatch : public Trigger {
 public:
  // `insights` has one entry per series of `window`.
  void OnWindow(const Window& window, const std::vector<SeriesInsight>& insights);
  // The longest pause of one of the service's processes since the window before; after OnWindow().
  void OnGcPause(absl::string_view service, absl::Duration longest);

  std::optional<ExtraCapture> Poll(absl::Duration now) override;

 private:
  // What the service was like, over some ten windows.
  struct Usual {
    int windows = 0;
    double mcall_share = 0;
    int pauses = 0;
    double longest_pause_s = 0;
    uint64_t last_window = 0;
  };

  absl::flat_hash_map<std::string, Usual> services_;
  uint64_t window_ = 0;
  std::optional<ExtraCapture> pending_;
};

}  // namespace pilotlight::agent
