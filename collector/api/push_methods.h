// What others send: push.v1.PusherService over gRPC and Connect, and Pyroscope's older POST /ingest.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/http_server.h"
#include "collector/api/caller.h"
#include "collector/ingest/push.h"
#include "collector/query/caller.h"
#include "push/v1/push.pb.h"

namespace grpc {
class Service;
}

namespace pilotlight::collector {

// Thread-safe.
class PushMethods {
 public:
  // `ingest` must outlive it.
  explicit PushMethods(PushIngest& ingest) : ingest_(ingest) {}

  absl::Status Push(const ::push::v1::PushRequest& request, const Caller& caller,
                    ::push::v1::PushResponse& response);
  // ?name=SERVICE{label=value,…}&from&until&format=pprof|folded|groups|lines&sampleRate&units, with the
  // profile as the body or as the part "profile" of a form.
  HttpResponse Ingest(const HttpRequest& request, const std::string& tenant);

 private:
  absl::Status TryIngest(const HttpRequest& request, const std::string& tenant);

  PushIngest& ingest_;
};

// `methods` must outlive the server.
void AddPushOverHttp(PushMethods& methods, const TenantOf& tenant_of, HttpServer& server);
// `methods` must outlive it, and the service the server.
std::unique_ptr<grpc::Service> MakePushService(PushMethods& methods, AdmitCall admit);

}  // namespace pilotlight::collector
