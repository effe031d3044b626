// The Query service over gRPC.
#pragma once

#include <memory>

#include "collector/api/query_methods.h"
#include "collector/query/query_engine.h"
#include "collector/query/query_metrics.h"

namespace grpc {
class Service;
}

namespace pilotlight::collector {

// All must outlive it, and the service the server.
std::unique_ptr<grpc::Service> MakeQueryService(QueryMethods& methods, QueryEngine& engine,
                                                QueryMetrics& metrics, AdmitCall admit);

}  // namespace pilotlight::collector
