#include "collector/api/query_service.h"

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "collector/api/query_messages.h"
#include "collector/query/export.h"
#include "exporters/pprof.h"
#include "pilotlight/v1/query.grpc.pb.h"

namespace pilotlight::collector {
namespace {

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
  QueryService(QueryMethods& methods, QueryEngine& engine, QueryMetrics& metrics, AdmitCall admit)
      : methods_(methods), engine_(engine), metrics_(metrics), admit_(std::move(admit)) {}

  grpc::Status FlameGraph(grpc::ServerContext* call, const v1::FlameGraphRequest* request,
                          v1::FlameGraphResponse* response) override {
    return Answer(*call,
                  [&](const Caller& caller) { return methods_.FlameGraph(*request, caller, *response); });
  }

  grpc::Status Top(grpc::ServerContext* call, const v1::TopRequest* request,
                   v1::TopResponse* response) override {
    return Answer(*call, [&](const Caller& caller) { return methods_.Top(*request, caller, *response); });
  }

  grpc::Status Diff(grpc::ServerContext* call, const v1::DiffRequest* request,
                    v1::DiffResponse* response) override {
    return Answer(*call, [&](const Caller& caller) { return methods_.Diff(*request, caller, *response); });
  }

  grpc::Status Peek(grpc::ServerContext* call, const v1::PeekRequest* request,
                    v1::PeekResponse* response) override {
    return Answer(*call, [&](const Caller& caller) { return methods_.Peek(*request, caller, *response); });
  }

  grpc::Status Series(grpc::ServerContext* call, const v1::SeriesRequest* request,
                      v1::SeriesResponse* response) override {
    return Answer(*call, [&](const Caller& caller) { return methods_.Series(*request, caller, *response); });
  }

  grpc::Status LabelNames(grpc::ServerContext* call, const v1::LabelNamesRequest* request,
                          v1::LabelNamesResponse* response) override {
    return Answer(*call,
                  [&](const Caller& caller) { return methods_.LabelNames(*request, caller, *response); });
  }

  grpc::Status LabelValues(grpc::ServerContext* call, const v1::LabelValuesRequest* request,
                           v1::LabelValuesResponse* response) override {
    return Answer(*call,
                  [&](const Caller& caller) { return methods_.LabelValues(*request, caller, *response); });
  }

  grpc::Status ProfileTypes(grpc::ServerContext* call, const v1::ProfileTypesRequest* request,
                            v1::ProfileTypesResponse* response) override {
    return Answer(*call,
                  [&](const Caller& caller) { return methods_.ProfileTypes(*request, caller, *response); });
  }

  grpc::Status Export(grpc::ServerContext* call, const v1::ExportRequest* request,
                      grpc::ServerWriter<v1::ExportResponse>* writer) override {
    return Answer(*call, [&](const Caller& caller) {
      QueryTimer timer(metrics_, "Export");
      return timer.Finish(WriteExport(caller, *request, *writer));
    });
  }

 private:
  // All methods are for readers.
  grpc::Status Answer(const grpc::ServerContext& call,
                      absl::FunctionRef<absl::Status(const Caller& caller)> answer) {
    return AnswerCall(admit_, call, "/pilotlight.v1.Query/", answer);
  }

  absl::Status WriteExport(const Caller& caller, const v1::ExportRequest& request,
                           grpc::ServerWriter<v1::ExportResponse>& writer) {
    ASSIGN_OR_RETURN(const ExportFormat format, FormatOf(request.format()));
    ASSIGN_OR_RETURN(const std::string file, ExportFile(caller, request, format));
    // Below the 4 MiB that clients accept by default.
    constexpr size_t kPartBytes = size_t{1} << 20;
    for (size_t i = 0; i < file.size(); i += kPartBytes) {
      v1::ExportResponse part;
      part.set_part(file.substr(i, kPartBytes));
      if (!writer.Write(part)) return absl::CancelledError("the caller is gone");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ExportFile(const Caller& caller, const v1::ExportRequest& request,
                                         ExportFormat format) {
    const SelectionText text = FromProto(request.selection());
    if (request.group_by().empty()) {
      ASSIGN_OR_RETURN(const ProfileAnswer answer, engine_.Merge(text, caller));
      return WriteExportFile(answer.profile, format);
    }
    if (format != ExportFormat::kPprof) {
      return absl::InvalidArgumentError("only FORMAT_PPROF has labels of samples: group_by is for it alone");
    }
    const std::vector<std::string> group_by(request.group_by().begin(), request.group_by().end());
    ASSIGN_OR_RETURN(const LabelledProfile labelled, engine_.MergeLabelled(text, group_by, caller));
    return WritePprof(labelled);
  }

  QueryMethods& methods_;
  QueryEngine& engine_;
  QueryMetrics& metrics_;
  const AdmitCall admit_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeQueryService(QueryMethods& methods, QueryEngine& engine,
                                                QueryMetrics& metrics, AdmitCall admit) {
  return std::make_unique<QueryService>(methods, engine, metrics, std::move(admit));
}

}  // namespace pilotlight::collector
