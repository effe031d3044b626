// OpenTelemetry's profiles: OTLP over gRPC and over HTTP, in protobuf and JSON.
#pragma once

#include <memory>
#include <string>

#include "base/http_server.h"
#include "collector/api/caller.h"
#include "collector/ingest/push.h"

namespace grpc {
class Service;
}

namespace pilotlight::collector {

// POST /v1development/profiles; errors are google.rpc.Status. `ingest` must outlive the server.
void AddOtlpOverHttp(PushIngest& ingest, const TenantOf& tenant_of, HttpServer& server);
// opentelemetry.proto.collector.profiles.v1development.ProfilesService. `ingest` must outlive it, and the
// service the server.
std::unique_ptr<grpc::Service> MakeOtlpService(PushIngest& ingest, AdmitCall admit);

// What the POST answers.
HttpResponse AnswerOtlp(PushIngest& ingest, const HttpRequest& request, const std::string& tenant);

}  // namespace pilotlight::collector
