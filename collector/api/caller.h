// Whose a call is, over gRPC and over HTTP.
#pragma once

#include <grpcpp/server_context.h>

#include <functional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/http_server.h"
#include "collector/auth/authenticator.h"
#include "collector/query/caller.h"

namespace pilotlight::collector {

// Whether a method of gRPC, such as "/pilotlight.v1.Query/Top", may be called with these headers, and the
// tenant that the call is of; in any thread.
using AdmitCall =
    std::function<absl::StatusOr<std::string>(absl::string_view method, const CallHeaders& headers)>;

// The same of a request over HTTP.
using TenantOf = std::function<absl::StatusOr<std::string>(const HttpRequest& request)>;

// Of several values of a header none counts for who is let in; several tenants are none that has a name.
CallHeaders HeadersOf(const grpc::ServerContextBase& call);
CallHeaders HeadersOf(const HttpRequest& request);

// Answers for the caller, once it is known. `method` may stand for all of its service that need the same
// role.
grpc::Status AnswerCall(const AdmitCall& admit, const grpc::ServerContext& call, absl::string_view method,
                        absl::FunctionRef<absl::Status(const Caller& caller)> answer);

}  // namespace pilotlight::collector
