// The unary methods of pilotlight.v1.Query, for gRPC and Connect alike (proto/pilotlight/v1/query.proto).
#pragma once

#include "absl/status/status.h"
#include "base/http_server.h"
#include "collector/api/connect.h"
#include "collector/query/query_engine.h"
#include "collector/query/query_metrics.h"
#include "pilotlight/v1/query.pb.h"

namespace pilotlight::collector {

// Thread-safe.
class QueryMethods {
 public:
  // Both must outlive it.
  QueryMethods(QueryEngine& engine, QueryMetrics& metrics) : engine_(engine), metrics_(metrics) {}

  absl::Status FlameGraph(const v1::FlameGraphRequest& request, const Caller& caller,
                          v1::FlameGraphResponse& response);
  absl::Status Top(const v1::TopRequest& request, const Caller& caller, v1::TopResponse& response);
  absl::Status Diff(const v1::DiffRequest& request, const Caller& caller, v1::DiffResponse& response);
  absl::Status Peek(const v1::PeekRequest& request, const Caller& caller, v1::PeekResponse& response);
  absl::Status Series(const v1::SeriesRequest& request, const Caller& caller, v1::SeriesResponse& response);
  absl::Status LabelNames(const v1::LabelNamesRequest& request, const Caller& caller,
                          v1::LabelNamesResponse& response);
  absl::Status LabelValues(const v1::LabelValuesRequest& request, const Caller& caller,
                           v1::LabelValuesResponse& response);
  absl::Status ProfileTypes(const v1::ProfileTypesRequest& request, const Caller& caller,
                            v1::ProfileTypesResponse& response);

 private:
  QueryEngine& engine_;
  QueryMetrics& metrics_;
};

// By name; `methods` must outlive them.
ConnectMethods QueryTable(QueryMethods& methods);
// `methods` must outlive the server. Export, which streams, is left to gRPC.
void AddQueryOverHttp(QueryMethods& methods, const TenantOf& tenant_of, HttpServer& server);

}  // namespace pilotlight::collector
