// Pyroscope's older way to ask for flame graphs, over plain HTTP: what scripts, and pages before the Connect
// API, use.
#pragma once

#include "absl/status/statusor.h"
#include "base/http_server.h"
#include "collector/query/caller.h"
#include "collector/query/query_engine.h"

namespace pilotlight::collector {

// GET /pyroscope/render: `query` with the type in front of the selector, `from`, `until`, `maxNodes`,
// `groupBy` (one label), `format` json or dot. InvalidArgument for another format, or an aggregation other
// than sum.
absl::StatusOr<HttpResponse> Render(QueryEngine& engine, const HttpRequest& request, const Caller& caller);

// GET /pyroscope/render-diff: leftQuery, leftFrom, leftUntil, the same of the right side, `maxNodes`.
absl::StatusOr<HttpResponse> RenderDiff(QueryEngine& engine, const HttpRequest& request,
                                        const Caller& caller);

}  // namespace pilotlight::collector
