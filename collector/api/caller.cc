#include "collector/api/caller.h"

#include "absl/strings/str_join.h"
#include "collector/api/status.h"

namespace pilotlight::collector {

CallHeaders HeadersOf(const grpc::ServerContextBase& call) {
  CallHeaders headers;
  const auto& metadata = call.client_metadata();
  if (metadata.count(kAuthorizationHeader) == 1) {
    const grpc::string_ref& value = metadata.find(kAuthorizationHeader)->second;
    headers.authorization.assign(value.data(), value.size());
  }
  const auto [begin, end] = metadata.equal_range(kTenantHeader);
  headers.tenant = absl::StrJoin(begin, end, ",", [](std::string* out, const auto& value) {
    out->append(value.second.data(), value.second.size());
  });
  return headers;
}

CallHeaders HeadersOf(const HttpRequest& request) {
  return {request.Header(kAuthorizationHeader), request.Header(kTenantHeader)};
}

grpc::Status AnswerCall(const AdmitCall& admit, const grpc::ServerContext& call, absl::string_view method,
                        absl::FunctionRef<absl::Status(const Caller& caller)> answer) {
  const absl::StatusOr<std::string> tenant = admit(method, HeadersOf(call));
  if (!tenant.ok()) return ToGrpcStatus(tenant.status());
  return ToGrpcStatus(answer({*tenant, [&call] { return call.IsCancelled(); }}));
}

}  // namespace pilotlight::collector
