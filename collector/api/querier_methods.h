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

  absl::Status ProfileTypes(const querier::ProfileTypesRequest& request, const IsAbandoned& is_abandoned,
                            querier::ProfileTypesResponse& response);
  absl::Status LabelNames(const querier::LabelNamesRequest& request, const IsAbandoned& is_abandoned,
                          querier::LabelNamesResponse& response);
  absl::Status LabelValues(const querier::LabelValuesRequest& request, const IsAbandoned& is_abandoned,
                           querier::LabelValuesResponse& response);
  absl::Status Series(const querier::SeriesRequest& request, const IsAbandoned& is_abandoned,
                      querier::SeriesResponse& response);
  absl::Status SelectMergeStacktraces(const querier::SelectMergeStacktracesRequest& request,
                                      const IsAbandoned& is_abandoned,
                                      querier::SelectMergeStacktracesResponse& response);
  absl::Status SelectMergeSpanProfile(const querier::SelectMergeSpanProfileRequest& request,
                                      const IsAbandoned& is_abandoned,
                                      querier::SelectMergeSpanProfileResponse& response);
  absl::Status SelectMergeProfile(const querier::SelectMergeProfileRequest& request,
                                  const IsAbandoned& is_abandoned, perftools::profiles::Profile& response);
  absl::Status SelectSeries(const querier::SelectSeriesRequest& request, const IsAbandoned& is_abandoned,
                            querier::SelectSeriesResponse& response);
  absl::Status Diff(const querier::DiffRequest& request, const IsAbandoned& is_abandoned,
                    querier::DiffResponse& response);
  absl::Status GetProfileStats(const querier::GetProfileStatsRequest& request,
                               const IsAbandoned& is_abandoned, querier::GetProfileStatsResponse& response);

 private:
  using LabelSets = std::set<Labels>;
  // The values of `label_names` (all labels when empty) that are there together, of each type too.
  absl::StatusOr<LabelSets> FindLabelSets(const std::string& selector, SelectionText text,
                                          const std::vector<std::string>& label_names,
                                          const IsAbandoned& is_abandoned);

  QueryEngine& engine_;
};

// By name; both must outlive them.
ConnectMethods QuerierTable(QuerierMethods& methods, QueryMetrics& metrics);
// Both must outlive the server.
void AddQuerierOverHttp(QuerierMethods& methods, QueryMetrics& metrics, HttpServer& server);

}  // namespace pilotlight::collector
