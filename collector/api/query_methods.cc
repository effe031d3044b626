#include "collector/api/query_methods.h"

#include "base/status_macros.h"
#include "collector/api/answer_pages.h"
#include "collector/api/query_messages.h"
#include "profile/wire.h"

namespace pilotlight::collector {
namespace {

TopOrder OrderOf(v1::TopRequest::Order order) {
  return order == v1::TopRequest::ORDER_CUMULATIVE ? TopOrder::kCumulative : TopOrder::kFlat;
}

absl::Status AnswerSeries(QueryEngine& engine, const v1::SeriesRequest& request, const Caller& caller,
                          v1::SeriesResponse& response) {
  ASSIGN_OR_RETURN(const SeriesPage page, SeriesPage::Create(request.page_size(), request.page_token()));
  SelectionText text = FromProto(request.selection());
  page.SetSpan(text);
  ASSIGN_OR_RETURN(SeriesAnswer answer,
                   engine.SelectSeries(text, absl::Nanoseconds(request.step_ns()),
                                       {request.group_by().begin(), request.group_by().end()}, caller));
  response.set_next_page_token(page.Keep(answer));
  ToProto(answer, response);
  return absl::OkStatus();
}

absl::Status AnswerLabelValues(QueryEngine& engine, const v1::LabelValuesRequest& request,
                               const Caller& caller, v1::LabelValuesResponse& response) {
  SelectionText text = FromSpan(request.start_unix_ns(), request.end_unix_ns());
  text.selector = request.selector();
  ASSIGN_OR_RETURN(std::vector<std::string> values, engine.LabelValues(request.name(), text, caller));
  ASSIGN_OR_RETURN(const std::string next, KeepPage(values, request.page_size(), request.page_token()));
  response.set_next_page_token(next);
  response.mutable_values()->Assign(values.begin(), values.end());
  return absl::OkStatus();
}

}  // namespace

absl::Status QueryMethods::FlameGraph(const v1::FlameGraphRequest& request, const Caller& caller,
                                      v1::FlameGraphResponse& response) {
  QueryTimer timer(metrics_, "FlameGraph");
  const auto answer = engine_.MergeFlameGraph(FromProto(request.selection()), request.max_nodes(), caller);
  if (answer.ok()) ToProto(*answer, response);
  return timer.Finish(answer.status());
}

absl::Status QueryMethods::Top(const v1::TopRequest& request, const Caller& caller,
                               v1::TopResponse& response) {
  QueryTimer timer(metrics_, "Top");
  const auto answer =
      engine_.Top(FromProto(request.selection()), OrderOf(request.order()), request.limit(), caller);
  if (answer.ok()) ToProto(*answer, response);
  return timer.Finish(answer.status());
}

absl::Status QueryMethods::Diff(const v1::DiffRequest& request, const Caller& caller,
                                v1::DiffResponse& response) {
  QueryTimer timer(metrics_, "Diff");
  const auto answer = engine_.Diff(FromProto(request.base()), FromProto(request.comparison()),
                                   OrderOf(request.order()), request.limit(), request.max_nodes(), caller);
  if (answer.ok()) ToProto(*answer, response);
  return timer.Finish(answer.status());
}

absl::Status QueryMethods::Peek(const v1::PeekRequest& request, const Caller& caller,
                                v1::PeekResponse& response) {
  QueryTimer timer(metrics_, "Peek");
  const auto answer =
      engine_.Peek(FromProto(request.selection()), request.function(), request.limit(), caller);
  if (answer.ok()) ToProto(*answer, response);
  return timer.Finish(answer.status());
}

absl::Status QueryMethods::Series(const v1::SeriesRequest& request, const Caller& caller,
                                  v1::SeriesResponse& response) {
  QueryTimer timer(metrics_, "Series");
  return timer.Finish(AnswerSeries(engine_, request, caller, response));
}

absl::Status QueryMethods::LabelNames(const v1::LabelNamesRequest& request, const Caller& caller,
                                      v1::LabelNamesResponse& response) {
  QueryTimer timer(metrics_, "LabelNames");
  SelectionText text = FromSpan(request.start_unix_ns(), request.end_unix_ns());
  text.selector = request.selector();
  const auto names = engine_.LabelNames(text, caller);
  if (names.ok()) response.mutable_names()->Assign(names->begin(), names->end());
  return timer.Finish(names.status());
}

absl::Status QueryMethods::LabelValues(const v1::LabelValuesRequest& request, const Caller& caller,
                                       v1::LabelValuesResponse& response) {
  QueryTimer timer(metrics_, "LabelValues");
  return timer.Finish(AnswerLabelValues(engine_, request, caller, response));
}

absl::Status QueryMethods::ProfileTypes(const v1::ProfileTypesRequest& request, const Caller& caller,
                                        v1::ProfileTypesResponse& response) {
  QueryTimer timer(metrics_, "ProfileTypes");
  const auto types = engine_.ProfileTypes(FromSpan(request.start_unix_ns(), request.end_unix_ns()), caller);
  if (types.ok()) {
    for (const ProfileType& type : *types) pilotlight::ToProto(type, *response.add_types());
  }
  return timer.Finish(types.status());
}

ConnectMethods QueryTable(QueryMethods& methods) {
  ConnectMethods table;
  table["FlameGraph"] = MakeConnectMethod(methods, &QueryMethods::FlameGraph);
  table["Top"] = MakeConnectMethod(methods, &QueryMethods::Top);
  table["Diff"] = MakeConnectMethod(methods, &QueryMethods::Diff);
  table["Peek"] = MakeConnectMethod(methods, &QueryMethods::Peek);
  table["Series"] = MakeConnectMethod(methods, &QueryMethods::Series);
  table["LabelNames"] = MakeConnectMethod(methods, &QueryMethods::LabelNames);
  table["LabelValues"] = MakeConnectMethod(methods, &QueryMethods::LabelValues);
  table["ProfileTypes"] = MakeConnectMethod(methods, &QueryMethods::ProfileTypes);
  return table;
}

void AddQueryOverHttp(QueryMethods& methods, const TenantOf& tenant_of, HttpServer& server) {
  AddConnectService(*v1::FlameGraphRequest::descriptor()->file()->FindServiceByName("Query"),
                    QueryTable(methods), tenant_of, server);
}

}  // namespace pilotlight::collector
