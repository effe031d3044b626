// The metrics that every program has, and their text.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "base/http_server.h"

namespace prometheus {
class Registry;
}

namespace pilotlight {

// pilotlight_build_info{program, version} 1.
void AddBuildInfo(prometheus::Registry& registry, absl::string_view program);

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_start_time_seconds,
// under the names of Prometheus's client libraries, read from /proc/self at each scrape.
std::string RenderProcessMetrics();

// The registry and the process metrics in Prometheus's text format, version 0.0.4.
HttpResponse RenderMetrics(const prometheus::Registry& registry);

}  // namespace pilotlight
