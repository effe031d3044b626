#include "collector/api/query_service.h"

#include <grpcpp/grpcpp.h>

#include <string>

#include "base/status_macros.h"
#include "collector/api/query_messages.h"
#include "collector/api/status.h"
#include "collector/query/export.h"
#include "pilotlight/v1/query.grpc.pb.h"

namespace pilotlight::collector {
namespace {

IsAbandoned AbandonedBy(const grpc::ServerContext* call) {
  return [call] { return call->IsCancelled(); };
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
    case v1::ExportRequest::FORMAT_SPEEDSCOPE:
      return ExportFormat::kSpeedscope;
    case v1::ExportRequest::FORMAT_CPUPROFILE:
      return ExportFormat::kCpuProfile;
    case v1::ExportRequest::FORMAT_DOT:
      return ExportFormat::kDot;
    default:
      return absl::InvalidArgumentError(
          "the format must be FORMAT_PPROF, FORMAT_FOLDED, FORMAT_SVG, FORMAT_JSON, FORMAT_SPEEDSCOPE, "
          "FORMAT_CPUPROFILE or FORMAT_DOT");
  }
}

class QueryService final : public v1::Query::Service {
 public:
  QueryService(QueryMethods& methods, QueryEngine& engine, QueryMetrics& metrics)
      : methods_(methods), engine_(engine), metrics_(metrics) {}

  grpc::Status FlameGraph(grpc::ServerContext* call, const v1::FlameGraphRequest* request,
                          v1::FlameGraphResponse* response) override {
    return ToGrpcStatus(methods_.FlameGraph(*request, AbandonedBy(call), *response));
  }

  grpc::Status Top(grpc::ServerContext* call, const v1::TopRequest* request,
                   v1::TopResponse* response) override {
    return ToGrpcStatus(methods_.Top(*request, AbandonedBy(call), *response));
  }

  grpc::Status Diff(grpc::ServerContext* call, const v1::DiffRequest* request,
                    v1::DiffResponse* response) override {
    return ToGrpcStatus(methods_.Diff(*request, AbandonedBy(call), *response));
  }

  grpc::Status Peek(grpc::ServerContext* call, const v1::PeekRequest* request,
                    v1::PeekResponse* response) override {
    return ToGrpcStatus(methods_.Peek(*request, AbandonedBy(call), *response));
  }

  grpc::Status Series(grpc::ServerContext* call, const v1::SeriesRequest* request,
                      v1::SeriesResponse* response) override {
    return ToGrpcStatus(methods_.Series(*request, AbandonedBy(call), *response));
  }

  grpc::Status LabelNames(grpc::ServerContext* call, const v1::LabelNamesRequest* request,
                          v1::LabelNamesResponse* response) override {
    return ToGrpcStatus(methods_.LabelNames(*request, AbandonedBy(call), *response));
  }

  grpc::Status LabelValues(grpc::ServerContext* call, const v1::LabelValuesRequest* request,
                           v1::LabelValuesResponse* response) override {
    return ToGrpcStatus(methods_.LabelValues(*request, AbandonedBy(call), *response));
  }

  grpc::Status ProfileTypes(grpc::ServerContext* call, const v1::ProfileTypesRequest* request,
                            v1::ProfileTypesResponse* response) override {
    return ToGrpcStatus(methods_.ProfileTypes(*request, AbandonedBy(call), *response));
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

  QueryMethods& methods_;
  QueryEngine& engine_;
  QueryMetrics& metrics_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeQueryService(QueryMethods& methods, QueryEngine& engine,
                                                QueryMetrics& metrics) {
  return std::make_unique<QueryService>(methods, engine, metrics);
}

}  // namespace pilotlight::collector
