#include "collector/api/connect.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace pilotlight::collector {
namespace {

using google::protobuf::Message;
using SteadyTime = std::chrono::steady_clock::time_point;

// "invalid_argument": the names are gRPC's in lower case, but for one that is spelt in the American way.
std::string CodeName(absl::StatusCode code) {
  if (code == absl::StatusCode::kCancelled) return "canceled";
  return absl::AsciiStrToLower(absl::StatusCodeToString(code));
}

enum class Codec { kProto, kJson };

std::optional<Codec> CodecOf(absl::string_view content_type) {
  const std::string type =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(content_type.substr(0, content_type.find(';'))));
  if (type == "application/proto") return Codec::kProto;
  if (type == "application/json") return Codec::kJson;
  return std::nullopt;
}

absl::string_view ContentType(Codec codec) {
  return codec == Codec::kProto ? "application/proto" : "application/json";
}

// Protobuf's own message, without the lines that point into the text.
absl::string_view FirstLine(const google::protobuf::util::Status& status) {
  const absl::string_view message(status.message().data(), status.message().size());
  return message.substr(0, message.find('\n'));
}

absl::Status Parse(Codec codec, const std::string& body, Message& message) {
  if (codec == Codec::kProto) {
    if (message.ParseFromString(body)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("the body is no ", message.GetTypeName()));
  }
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = google::protobuf::util::JsonStringToMessage(body, &message, options);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the body is no ", message.GetTypeName(), " in JSON: ", FirstLine(status)));
}

absl::StatusOr<std::string> Serialize(Codec codec, const Message& message) {
  std::string body;
  if (codec == Codec::kProto) {
    if (message.SerializeToString(&body)) return body;
    return absl::InternalError("the answer is too large for protobuf: 2 GiB");
  }
  const auto status = google::protobuf::util::MessageToJsonString(message, &body);
  if (status.ok()) return body;
  return absl::InternalError(absl::StrCat("the answer cannot be written as JSON: ", FirstLine(status)));
}

// Not set: as long as it takes.
absl::StatusOr<std::optional<SteadyTime>> DeadlineOf(const HttpRequest& request) {
  const std::string text = request.Header("connect-timeout-ms");
  if (text.empty()) return std::nullopt;
  constexpr size_t kMostDigits = 10;  // as the protocol says
  const bool is_number = std::ranges::all_of(text, absl::ascii_isdigit);
  int64_t milliseconds = 0;
  if (!is_number || text.size() > kMostDigits || !absl::SimpleAtoi(text, &milliseconds)) {
    return absl::InvalidArgumentError("Connect-Timeout-Ms must be a number of at most ten digits");
  }
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
}

absl::Status CheckHeaders(const HttpRequest& request) {
  const std::string version = request.Header("connect-protocol-version");
  if (!version.empty() && version != "1") {
    return absl::InvalidArgumentError(absl::StrCat("Connect-Protocol-Version must be 1, not ", version));
  }
  const std::string encoding = request.Header("content-encoding");
  if (!encoding.empty() && encoding != "identity" && encoding != "gzip") {
    return absl::UnimplementedError(
        absl::StrCat("Content-Encoding ", encoding, " is not known; there are gzip and identity"));
  }
  return absl::OkStatus();
}

absl::StatusOr<HttpResponse> Answer(const ConnectMethod& method, const HttpRequest& request,
                                    const std::string& tenant, Codec codec) {
  RETURN_IF_ERROR(CheckHeaders(request));
  ASSIGN_OR_RETURN(const std::optional<SteadyTime> deadline, DeadlineOf(request));
  const std::unique_ptr<Message> question(method.request_prototype->New());
  RETURN_IF_ERROR(Parse(codec, request.body, *question));

  const auto is_late = [&deadline] { return deadline && std::chrono::steady_clock::now() >= *deadline; };
  const std::unique_ptr<Message> answer(method.response_prototype->New());
  const absl::Status status = method.handler(*question, {tenant, is_late}, *answer);
  // The only one who abandons a question here is the clock.
  if (absl::IsCancelled(status)) return absl::DeadlineExceededError("Connect-Timeout-Ms has passed");
  RETURN_IF_ERROR(status);

  HttpResponse response;
  response.content_type = std::string(ContentType(codec));
  ASSIGN_OR_RETURN(response.body, Serialize(codec, *answer));
  return response;
}

}  // namespace

HttpResponse AnswerConnect(const ConnectMethod& method, const HttpRequest& request,
                           const std::string& tenant) {
  const std::optional<Codec> codec = CodecOf(request.Header("content-type"));
  if (!codec) {
    HttpResponse response;
    response.status = 415;
    response.headers["Accept-Post"] = "application/proto, application/json";
    response.body = "Content-Type must be application/proto or application/json\n";
    return response;
  }
  absl::StatusOr<HttpResponse> response = Answer(method, request, tenant, *codec);
  return response.ok() ? *std::move(response) : ConnectError(response.status());
}

HttpResponse ConnectError(const absl::Status& status) {
  HttpResponse response = HttpError(status);
  response.content_type = "application/json";
  nlohmann::ordered_json json;
  json["code"] = CodeName(status.code());
  json["message"] = std::string(status.message());
  response.body = json.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
  return response;
}

void AddConnectService(const google::protobuf::ServiceDescriptor& service, ConnectMethods methods,
                       const TenantOf& tenant_of, HttpServer& server) {
  for (int i = 0; i < service.method_count(); ++i) {
    const std::string& name = service.method(i)->name();
    const std::string path = absl::StrCat("/", service.full_name(), "/", name);
    const auto found = methods.find(name);
    if (found == methods.end()) {
      server.Post(
          path,
          [path](const HttpRequest&) {
            return ConnectError(absl::UnimplementedError(absl::StrCat(path, " is not implemented here")));
          },
          ConnectError);
      continue;
    }
    const auto method = std::make_shared<const ConnectMethod>(std::move(found->second));
    server.Post(
        path,
        [method, tenant_of](const HttpRequest& request) {
          const absl::StatusOr<std::string> tenant = tenant_of(request);
          return tenant.ok() ? AnswerConnect(*method, request, *tenant) : ConnectError(tenant.status());
        },
        ConnectError);
  }
}

}  // namespace pilotlight::collector
