// What the collector accepts from an agent. Set by the --ingest.* flags.
#pragma once

#include <cstddef>

#include "absl/time/time.h"
#include "profile/wire.h"

namespace pilotlight::collector {

struct IngestLimits {
  // A window that starts further ahead of the collector's clock comes from a wrong clock.
  absl::Duration max_future = absl::Minutes(10);
  // A window that starts earlier would be dropped by the retention at once.
  absl::Duration max_age = absl::Hours(24 * 14);
  // A window that claims to stand for more comes from a wrong clock as well.
  absl::Duration max_interval = absl::Hours(24);

  size_t max_streams = 1000;                    // at once; one per agent
  size_t max_message_bytes = size_t{16} << 20;  // of one StreamRequest
  // Of one stream, in the mean over a minute; what comes faster is read later. 0 is no limit.
  size_t max_bytes_per_second = 0;
  // Of one tenant but the anonymous one, likewise: streams wait, pushes are refused.
  size_t max_tenant_bytes_per_second = size_t{16} << 20;
  // Of all streams together. Each is told its share of it; who does not keep to it is ended at the limit.
  size_t max_dictionaries_bytes = size_t{512} << 20;
  size_t max_label_name_bytes = 128;
  size_t max_label_value_bytes = 2048;
  WireLimits wire;
};

}  // namespace pilotlight::collector
