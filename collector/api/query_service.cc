#include "collector/api/query_service.h"

#include <grpcpp/grpcpp.h>

#include <string>

#include "base/status_macros.h"
#include "collector/api/query_messages.h"
#include "collector/api/status.h"
#include "collector/query/export.h"
#include "pilotlight/v1/query.grpc.pb.h"
#include "profile/wire.h"

namespace pilotlight::collector {
namespace {

IsAbandoned AbandonedBy(const grpc::ServerContext* call) {
  return [call] { return call->IsCancelled(); };
}

TopOrder OrderOf(v1::TopRequest::Order order) {
  return order == v1::TopRequest::ORDER_CUMULATIVE ? TopOrder::kCumulative : TopOrder::kFlat;
}

absl::StatusOr<ExportFormat> FormatOf(v1::ExportRequest::Format format) {
  switch (format) {
    case v1::ExportRequest::FORMAT_PPROF:
      return ExportFormat::kPprof;
    case v1::ExportRequest::FORMAT_FOLDED:
      return ExportFormat::kFolded;
    case v1::ExportRequest::FORMAT_SVG:
      return ExportFormat::kSvg;
    case v1::ExportRequest::FORMAT_JSON:
      return ExportFormat::kJson;
    default:
      return absl::InvalidArgumentError(
          "the format must be FORMAT_PPROF, FORMAT_FOLDED, FORMAT_SVG or FORMAT_JSON");
  }
}

class QueryService final : public v1::Query::Service {
 public:
  QueryService(QueryEngine& engine, QueryMetrics& metrics) : engine_(engine), metrics_(metrics) {}

  grpc::Status FlameGraph(grpc::ServerContext* call, const v1::FlameGraphRequest* request,
                          v1::FlameGraphResponse* response) override {
    QueryTimer timer(metrics_, "FlameGraph");
    const auto answer =
        engine_.MergeFlameGraph(FromProto(request->selection()), request->max_nodes(), AbandonedBy(call));
    if (answer.ok()) ToProto(*answer, *response);
    return ToGrpcStatus(timer.Finish(answer.status()));
  }

  grpc::Status Top(grpc::ServerContext* call, const v1::TopRequest* request,
                   v1::TopResponse* response) override {
    QueryTimer timer(metrics_, "Top");
    const auto answer = engine_.Top(FromProto(request->selection()), OrderOf(request->order()),
                                    request->limit(), AbandonedBy(call));
    if (answer.ok()) ToProto(*answer, *response);
    return ToGrpcStatus(timer.Finish(answer.status()));
  }

  grpc::Status Diff(grpc::ServerContext* call, const v1::DiffRequest* request,
                    v1::DiffResponse* response) override {
    QueryTimer timer(metrics_, "Diff");
    const auto answer =
        engine_.Diff(FromProto(request->base()), FromProto(request->comparison()), OrderOf(request->order()),
                     request->limit(), request->max_nodes(), AbandonedBy(call));
    if (answer.ok()) ToProto(*answer, *response);
    return ToGrpcStatus(timer.Finish(answer.status()));
  }

  grpc::Status Peek(grpc::ServerContext* call, const v1::PeekRequest* request,
                    v1::PeekResponse* response) override {
    QueryTimer timer(metrics_, "Peek");
    const auto answer = engine_.Peek(FromProto(request->selection()), request->function(), request->limit(),
                                     AbandonedBy(call));
    if (answer.ok()) ToProto(*answer, *response);
    return ToGrpcStatus(timer.Finish(answer.status()));
  }

  grpc::Status Series(grpc::ServerContext* call, const v1::SeriesRequest* request,
                      v1::SeriesResponse* response) override {
    QueryTimer timer(metrics_, "Series");
    const auto answer =
        engine_.SelectSeries(FromProto(request->selection()), absl::Nanoseconds(request->step_ns()),
                             {request->group_by().begin(), request->group_by().end()}, AbandonedBy(call));
    if (answer.ok()) ToProto(*answer, *response);
    return ToGrpcStatus(timer.Finish(answer.status()));
  }

  grpc::Status LabelNames(grpc::ServerContext* /*call*/, const v1::LabelNamesRequest* request,
                          v1::LabelNamesResponse* response) override {
    QueryTimer timer(metrics_, "LabelNames");
    SelectionText text = FromSpan(request->start_unix_ns(), request->end_unix_ns());
    text.selector = request->selector();
    const auto names = engine_.LabelNames(text);
    if (names.ok()) response->mutable_names()->Assign(names->begin(), names->end());
    return ToGrpcStatus(timer.Finish(names.status()));
  }

  grpc::Status LabelValues(grpc::ServerContext* /*call*/, const v1::LabelValuesRequest* request,
                           v1::LabelValuesResponse* response) override {
    QueryTimer timer(metrics_, "LabelValues");
    SelectionText text = FromSpan(request->start_unix_ns(), request->end_unix_ns());
    text.selector = request->selector();
    const auto values = engine_.LabelValues(request->name(), text);
    if (values.ok()) response->mutable_values()->Assign(values->begin(), values->end());
    return ToGrpcStatus(timer.Finish(values.status()));
  }

  grpc::Status ProfileTypes(grpc::ServerContext* /*call*/, const v1::ProfileTypesRequest* request,
                            v1::ProfileTypesResponse* response) override {
    QueryTimer timer(metrics_, "ProfileTypes");
    const auto types = engine_.ProfileTypes(FromSpan(request->start_unix_ns(), request->end_unix_ns()));
    if (types.ok()) {
      for (const ProfileType& type : *types) pilotlight::ToProto(type, *response->add_types());
    }
    return ToGrpcStatus(timer.Finish(types.status()));
  }

  grpc::Status Export(grpc::ServerContext* call, const v1::ExportRequest* request,
                      grpc::ServerWriter<v1::ExportResponse>* writer) override {
    QueryTimer timer(metrics_, "Export");
    return ToGrpcStatus(timer.Finish(WriteExport(*call, *request, *writer)));
  }

 private:
  absl::Status WriteExport(const grpc::ServerContext& call, const v1::ExportRequest& request,
                           grpc::ServerWriter<v1::ExportResponse>& writer) {
    ASSIGN_OR_RETURN(const ExportFormat format, FormatOf(request.format()));
    ASSIGN_OR_RETURN(const ProfileAnswer answer,
                     engine_.Merge(FromProto(request.selection()), AbandonedBy(&call)));
    const std::string file = WriteExportFile(answer.profile, format);
    // Below the 4 MiB that clients accept by default.
    constexpr size_t kPartBytes = size_t{1} << 20;
    for (size_t i = 0; i < file.size(); i += kPartBytes) {
      v1::ExportResponse part;
      part.set_part(file.substr(i, kPartBytes));
      if (!writer.Write(part)) return absl::CancelledError("the caller is gone");
    }
    return absl::OkStatus();
  }

  QueryEngine& engine_;
  QueryMetrics& metrics_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeQueryService(QueryEngine& engine, QueryMetrics& metrics) {
  return std::make_unique<QueryService>(engine, metrics);
}

}  // namespace pilotlight::collector
