// What Grafana's Pyroscope data source asks (proto/querier/v1/querier.proto), answered by the query engine.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/http_server.h"
#include "collector/api/connect.h"
#include "collector/query/query_engine.h"
#include "collector/query/query_metrics.h"
#include "querier/v1/querier.pb.h"

namespace pilotlight::collector {

namespace querier = ::querier::v1;

// Thread-safe.
class QuerierMethods {
 public:
  // The engine must outlive it.
  explicit QuerierMethods(QueryEngine& engine) : engine_(engine) {}

  absl::Status ProfileTypes(const querier::ProfileTypesRequest& request, const Caller& caller,
                            querier::ProfileTypesResponse& response);
  absl::Status LabelNames(const querier::LabelNamesRequest& request, const Caller& caller,
                          querier::LabelNamesResponse& response);
  absl::Status LabelValues(const querier::LabelValuesRequest& request, const Caller& caller,
                           querier::LabelValuesResponse& response);
  absl::Status Series(const querier::SeriesRequest& request, const Caller& caller,
                      querier::SeriesResponse& response);
  absl::Status SelectMergeStacktraces(const querier::SelectMergeStacktracesRequest& request,
                                      const Caller& caller,
                                      querier::SelectMergeStacktracesResponse& response);
  absl::Status SelectMergeSpanProfile(const querier::SelectMergeSpanProfileRequest& request,
                                      const Caller& caller,
                                      querier::SelectMergeSpanProfileResponse& response);
  absl::Status SelectMergeProfile(const querier::SelectMergeProfileRequest& request, const Caller& caller,
                                  perftools::profiles::Profile& response);
  absl::Status SelectSeries(const querier::SelectSeriesRequest& request, const Caller& caller,
                            querier::SelectSeriesResponse& response);
  absl::Status Diff(const querier::DiffRequest& request, const Caller& caller,
                    querier::DiffResponse& response);
  absl::Status GetProfileStats(const querier::GetProfileStatsRequest& request, const Caller& caller,
                               querier::GetProfileStatsResponse& response);

 private:
  using LabelSets = std::set<Labels>;
  // The values of `label_names` (all labels when empty) that are there together, of each type too.
  absl::StatusOr<LabelSets> FindLabelSets(const std::string& selector, SelectionText text,
                                          const std::vector<std::string>& label_names, const Caller& caller);

  QueryEngine& engine_;
};

// By name; both must outlive them.
ConnectMethods QuerierTable(QuerierMethods& methods, QueryMetrics& metrics);
// Both must outlive the server.
void AddQuerierOverHttp(QuerierMethods& methods, QueryMetrics& metrics, const TenantOf& tenant_of,
                        HttpServer& server);

}  // namespace pilotlight::collector
