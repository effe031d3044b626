// The Connect protocol's unary calls over HTTP (https://connectrpc.com/docs/protocol): POST
// /<package.Service>/<Method> with a protobuf or JSON message, so that Grafana, browsers and curl can ask
// what gRPC clients ask. Streaming calls are left to gRPC.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/http_server.h"
#include "collector/api/caller.h"
#include "collector/query/caller.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace pilotlight::collector {

// One method, whatever its messages are.
struct ConnectMethod {
  using Message = google::protobuf::Message;
  std::unique_ptr<const Message> request_prototype;
  std::unique_ptr<const Message> response_prototype;
  std::function<absl::Status(const Message&, const Caller&, Message&)> handler;
};

// `api` must outlive it.
template <typename Api, typename Request, typename Response>
ConnectMethod MakeConnectMethod(Api& api,
                                absl::Status (Api::*method)(const Request&, const Caller&, Response&)) {
  return {std::make_unique<Request>(), std::make_unique<Response>(),
          [&api, method](const google::protobuf::Message& request, const Caller& caller,
                         google::protobuf::Message& response) {
            return (api.*method)(static_cast<const Request&>(request), caller,
                                 static_cast<Response&>(response));
          }};
}

using ConnectMethods = std::map<std::string, ConnectMethod>;  // by name

// The question is abandoned at the caller's deadline (Connect-Timeout-Ms); cpp-httplib does not tell when a
// caller has gone. Unknown fields are passed over, as in gRPC.
HttpResponse AnswerConnect(const ConnectMethod& method, const HttpRequest& request,
                           const std::string& tenant);

// The body is {"code": "invalid_argument", "message": "…"}.
HttpResponse ConnectError(const absl::Status& status);

// Answers each method of `service`: those in `methods` by their handlers, the others by "unimplemented".
// REQUIRES: before server.Start().
void AddConnectService(const google::protobuf::ServiceDescriptor& service, ConnectMethods methods,
                       const TenantOf& tenant_of, HttpServer& server);

}  // namespace pilotlight::collector
