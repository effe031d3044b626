// The collector's HTTP side: pprof and pictures straight from an address, health, metrics, the index page.
#pragma once

#include <functional>

#include "base/http_server.h"
#include "collector/api/caller.h"
#include "collector/query/query_engine.h"
#include "collector/query/query_metrics.h"

namespace prometheus {
class Registry;
}

namespace pilotlight::collector {

// Errors are plain text that says what to do. All must outlive the server. `before_scrape`, when set, is
// called before each answer of /metrics.
void AddHttpApi(QueryEngine& engine, QueryMetrics& metrics, const TenantOf& tenant_of,
                const prometheus::Registry& registry, std::function<void()> before_scrape,
                HttpServer& server);

}  // namespace pilotlight::collector
