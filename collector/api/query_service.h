// The Query service over gRPC.
#pragma once

#include <memory>

#include "collector/query/query_engine.h"
#include "collector/query/query_metrics.h"

namespace grpc {
class Service;
}

namespace pilotlight::collector {

// Both must outlive it, and the service the server.
std::unique_ptr<grpc::Service> MakeQueryService(QueryEngine& engine, QueryMetrics& metrics);

}  // namespace pilotlight::collector
