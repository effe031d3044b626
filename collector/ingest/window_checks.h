// Whether a well-formed window may be stored: a clock near ours, label names that can be asked for.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/ingest/ingest_limits.h"
#include "profile/profile.h"

namespace pilotlight::collector {

// The values of the label `reason` of pilotlight_ingest_refused_windows_total.
enum class RefusalReason { kFuture, kTooOld, kInterval, kLabels, kNotDecodable, kStore };
absl::string_view ToString(RefusalReason reason);

struct WindowRefusal {
  RefusalReason reason;
  std::string message;  // for people: what is wrong and what to do
};

// `now` is the collector's clock. Nothing when the window may be stored.
std::optional<WindowRefusal> CheckWindow(const Window& window, const IngestLimits& limits, absl::Time now);

}  // namespace pilotlight::collector
