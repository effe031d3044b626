// The Agents service over gRPC.
#pragma once

#include <memory>

#include "collector/api/ingest_service.h"

namespace grpc {
class Service;
}

namespace pilotlight::collector {

// `ingest` must outlive it, and the service the server.
std::unique_ptr<grpc::Service> MakeAgentsService(IngestService& ingest, AdmitCall admit);

}  // namespace pilotlight::collector
