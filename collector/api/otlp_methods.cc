#include "collector/api/otlp_methods.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/method_handler.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "collector/api/status.h"
#include "exporters/otlp.h"
#include "exporters/utf8.h"
#include "google/rpc/status.pb.h"
#include "opentelemetry/proto/collector/profiles/v1development/profiles_service.pb.h"
#include "re2/re2.h"

namespace pilotlight::collector {
namespace {

using google::protobuf::Message;
using opentelemetry::proto::collector::profiles::v1development::ExportProfilesServiceRequest;
using opentelemetry::proto::collector::profiles::v1development::ExportProfilesServiceResponse;

constexpr absl::string_view kProto = "application/x-protobuf";
constexpr absl::string_view kJson = "application/json";

// The versions of the service that others speak, or may.
constexpr absl::string_view kOtherVersions[] = {"v1experimental", "v1"};

absl::Status OtherVersion(absl::string_view version) {
  return absl::UnimplementedError(
      absl::StrCat("OTLP profiles ", version, " are not taken; taken are ", kOtlpSchemas));
}

absl::StatusOr<ExportProfilesServiceResponse> Export(PushIngest& ingest, const std::string& tenant,
                                                     absl::string_view request, absl::string_view version) {
  absl::StatusOr<OtlpOutcome> outcome = ingest.PushOtlp(tenant, request, version);
  // Of RESOURCE_EXHAUSTED a client must not know that it may try again.
  if (absl::IsResourceExhausted(outcome.status())) {
    return absl::UnavailableError(outcome.status().message());
  }
  RETURN_IF_ERROR(outcome.status());
  ExportProfilesServiceResponse response;
  if (outcome->rejected_profiles > 0) {
    response.mutable_partial_success()->set_rejected_profiles(outcome->rejected_profiles);
    response.mutable_partial_success()->set_error_message(ToValidUtf8(outcome->message));
  }
  return response;
}

// OTLP's JSON is protobuf's, but for ids in hexadecimal: those are not read, and are base64 as well. Names of
// fields that are not known are passed over, as the protocol wants it.
absl::StatusOr<std::string> FromJson(const std::string& json) {
  static google::protobuf::util::TypeResolver* const kResolver =
      google::protobuf::util::NewTypeResolverForDescriptorPool(
          "type.googleapis.com", google::protobuf::DescriptorPool::generated_pool());
  // Without this, the samples of a schema that calls them otherwise would be passed over.
  static const RE2 kOldSamples(R"("sample"\s*:)");
  if (RE2::PartialMatch(json, kOldSamples)) {
    return absl::InvalidArgumentError(
        absl::StrCat("OTLP profiles of a schema that is not taken (\"sample\"); taken are ", kOtlpSchemas));
  }
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  std::string bytes;
  const auto status = google::protobuf::util::JsonToBinaryString(
      kResolver,
      absl::StrCat("type.googleapis.com/", ExportProfilesServiceRequest::descriptor()->full_name()), json,
      &bytes, options);
  if (status.ok()) return bytes;
  const absl::string_view message(status.message().data(), status.message().size());
  return absl::InvalidArgumentError(
      absl::StrCat("not OTLP profiles in JSON: ", message.substr(0, message.find('\n'))));
}

HttpResponse Answer(absl::string_view content_type, const Message& message) {
  HttpResponse response;
  response.content_type = std::string(content_type);
  if (content_type == kProto) {
    response.body = message.SerializeAsString();
  } else {
    google::protobuf::util::MessageToJsonString(message, &response.body);
  }
  return response;
}

HttpResponse Error(absl::string_view content_type, const absl::Status& status) {
  google::rpc::Status message;
  message.set_code(static_cast<int>(status.code()));
  message.set_message(ToValidUtf8(status.message()));
  HttpResponse response = Answer(content_type, message);
  response.status = HttpError(status).status;
  return response;
}

HttpResponse ProtoError(const absl::Status& status) { return Error(kProto, status); }

// Several values are none that is known.
std::string VersionOf(const grpc::ServerContext& call) {
  const auto [begin, end] = call.client_metadata().equal_range(kOtlpVersionHeader);
  return absl::StrJoin(begin, end, ",", [](std::string* out, const auto& value) {
    out->append(value.second.data(), value.second.size());
  });
}

class OtlpService final : public grpc::Service {
 public:
  OtlpService(PushIngest& ingest, AdmitCall admit) : admit_(std::move(admit)) {
    for (const absl::string_view version : kOtherVersions) {
      Add(version,
          [version](const std::string&, absl::string_view, absl::string_view)
              -> absl::StatusOr<ExportProfilesServiceResponse> { return OtherVersion(version); });
    }
    // The last one's is the name that reflection shows.
    Add("v1development",
        [&ingest](const std::string& tenant, absl::string_view request, absl::string_view version) {
          return Export(ingest, tenant, request, version);
        });
  }

 private:
  using Handler = std::function<absl::StatusOr<ExportProfilesServiceResponse>(
      const std::string& tenant, absl::string_view request, absl::string_view version)>;

  // By bytes: which schema they are of is in them alone.
  void Add(absl::string_view version, Handler handler) {
    using Method =
        grpc::internal::RpcMethodHandler<OtlpService, grpc::ByteBuffer, ExportProfilesServiceResponse,
                                         grpc::ByteBuffer, grpc::protobuf::MessageLite>;
    names_.push_back(std::make_unique<const std::string>(
        absl::StrCat("/opentelemetry.proto.collector.profiles.", version, ".ProfilesService/Export")));
    AddMethod(new grpc::internal::RpcServiceMethod(
        names_.back()->c_str(), grpc::internal::RpcMethod::NORMAL_RPC,
        new Method(
            [handler = std::move(handler)](OtlpService* self, grpc::ServerContext* call,
                                           const grpc::ByteBuffer* request,
                                           ExportProfilesServiceResponse* response) {
              std::vector<grpc::Slice> slices;
              if (!request->Dump(&slices).ok()) {
                return ToGrpcStatus(absl::InvalidArgumentError("the message is damaged"));
              }
              std::string bytes;
              bytes.reserve(request->Length());
              for (const grpc::Slice& slice : slices) {
                bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
              }
              return AnswerCall(self->admit_, *call, "/opentelemetry.proto.collector.profiles.",
                                [&](const Caller& caller) {
                                  auto answer = handler(caller.tenant, bytes, VersionOf(*call));
                                  if (answer.ok()) *response = *answer;
                                  return answer.status();
                                });
            },
            this)));
  }

  const AdmitCall admit_;
  std::vector<std::unique_ptr<const std::string>> names_;  // gRPC keeps pointers to them
};

}  // namespace

HttpResponse AnswerOtlp(PushIngest& ingest, const HttpRequest& request, const std::string& tenant) {
  std::string type = request.Header("content-type");
  type = absl::AsciiStrToLower(absl::StripAsciiWhitespace(type.substr(0, type.find(';'))));
  if (type != kProto && type != kJson) {
    HttpResponse response;
    response.status = 415;
    response.body = absl::StrCat("Content-Type must be ", kProto, " or ", kJson, "\n");
    return response;
  }
  const auto answer = [&]() -> absl::StatusOr<ExportProfilesServiceResponse> {
    const std::string version = request.Header(kOtlpVersionHeader);
    if (type == kProto) return Export(ingest, tenant, request.body, version);
    const absl::StatusOr<std::string> bytes = FromJson(request.body);
    if (!bytes.ok()) return ingest.Refuse(RefusalReason::kNotDecodable, bytes.status().message());
    // Both schemas have the same names.
    return Export(ingest, tenant, *bytes, version.empty() ? kOtlpCurrentVersion : version);
  }();
  return answer.ok() ? Answer(type, *answer) : Error(type, answer.status());
}

void AddOtlpOverHttp(PushIngest& ingest, const TenantOf& tenant_of, HttpServer& server) {
  server.Post(
      "/v1development/profiles",
      [&ingest, tenant_of](const HttpRequest& request) {
        const absl::StatusOr<std::string> tenant = tenant_of(request);
        return tenant.ok() ? AnswerOtlp(ingest, request, *tenant) : ProtoError(tenant.status());
      },
      ProtoError);
  for (const absl::string_view version : kOtherVersions) {
    const auto refuse = [version](const HttpRequest&) { return ProtoError(OtherVersion(version)); };
    server.Post(absl::StrCat("/", version, "/profiles"), refuse, ProtoError);
  }
}

std::unique_ptr<grpc::Service> MakeOtlpService(PushIngest& ingest, AdmitCall admit) {
  return std::make_unique<OtlpService>(ingest, std::move(admit));
}

}  // namespace pilotlight::collector
