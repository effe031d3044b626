#include "collector/api/push_methods.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/time_text.h"
#include "collector/api/connect.h"
#include "exporters/folded.h"
#include "push/v1/push.grpc.pb.h"

namespace pilotlight::collector {
namespace {

// "shop.cpu{env=prod,pod=a}". The part after the last dot of older SDKs tells the type, which the profile
// does too.
absl::StatusOr<Labels> ParseName(absl::string_view name) {
  Labels labels;
  const size_t brace = name.find('{');
  absl::string_view service = name.substr(0, brace);
  for (const absl::string_view suffix :
       {".cpu", ".itimer", ".wall", ".alloc_objects", ".alloc_space", ".inuse_objects", ".inuse_space",
        ".goroutines", ".mutex_count", ".mutex_duration", ".block_count", ".block_duration"}) {
    if (absl::ConsumeSuffix(&service, suffix)) break;
  }
  if (brace != absl::string_view::npos) {
    absl::string_view pairs = name.substr(brace + 1);
    if (!absl::ConsumeSuffix(&pairs, "}")) {
      return absl::InvalidArgumentError(absl::StrCat("name=", name, ": the brace is not closed"));
    }
    for (const absl::string_view pair : absl::StrSplit(pairs, ',', absl::SkipWhitespace())) {
      const std::pair<std::string, std::string> label = absl::StrSplit(pair, absl::MaxSplits('=', 1));
      labels[std::string(absl::StripAsciiWhitespace(label.first))] =
          std::string(absl::StripAsciiWhitespace(label.second));
    }
  }
  if (!service.empty()) labels.try_emplace(std::string(kServiceLabel), service);
  return labels;
}

// One stack a line instead of one with its number.
std::string NumberLines(absl::string_view text) {
  std::string folded;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    absl::StrAppend(&folded, absl::StripTrailingAsciiWhitespace(line), " 1\n");
  }
  return folded;
}

// Numbers of folded stacks are samples, unless `units` says what else.
absl::Status SetType(const HttpRequest& request, Profile& profile) {
  const std::string units = request.Parameter("units", "samples");
  if (units == "samples") {
    const std::string text = request.Parameter("sampleRate", "100");
    int64_t rate = 0;
    constexpr int64_t kNanoseconds = 1'000'000'000;
    if (!absl::SimpleAtoi(text, &rate) || rate <= 0 || rate > kNanoseconds) {
      return absl::InvalidArgumentError(
          absl::StrCat("sampleRate=", text, " is not a number of samples a second"));
    }
    profile.type = ProfileType();
    profile.period = kNanoseconds / rate;
    for (Sample& sample : profile.samples) {
      if (__builtin_mul_overflow(static_cast<int64_t>(sample.count), profile.period, &sample.value)) {
        return absl::InvalidArgumentError("the profile has more samples than can be true");
      }
    }
    return absl::OkStatus();
  }
  if (units == "bytes" || units == "objects") {
    profile.type = {"memory", units == "bytes" ? "alloc_space" : "alloc_objects",
                    units == "bytes" ? "bytes" : "count", "space", "bytes"};
    return absl::OkStatus();
  }
  if (units == "goroutines") {
    profile.type = {"goroutine", "goroutine", "count", "goroutine", "count"};
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("units=", units, " is not known; there are samples, bytes, objects and goroutines"));
}

class PushService final : public ::push::v1::PusherService::Service {
 public:
  PushService(PushMethods& methods, AdmitCall admit) : methods_(methods), admit_(std::move(admit)) {}

  grpc::Status Push(grpc::ServerContext* call, const ::push::v1::PushRequest* request,
                    ::push::v1::PushResponse* response) override {
    return AnswerCall(admit_, *call, "/push.v1.PusherService/Push",
                      [&](const Caller& caller) { return methods_.Push(*request, caller, *response); });
  }

 private:
  PushMethods& methods_;
  const AdmitCall admit_;
};

}  // namespace

absl::Status PushMethods::Push(const ::push::v1::PushRequest& request, const Caller& caller,
                               ::push::v1::PushResponse& /*response*/) {
  absl::Status first_refusal;
  for (const ::push::v1::RawProfileSeries& series : request.series()) {
    Labels labels;
    for (const ::push::v1::LabelPair& label : series.labels()) labels[label.name()] = label.value();
    for (const ::push::v1::RawSample& sample : series.samples()) {
      absl::Status status = ingest_.PushPprof(caller.tenant, labels, sample.raw_profile());
      if (!status.ok() && !absl::IsInvalidArgument(status)) return status;
      if (!status.ok() && first_refusal.ok()) first_refusal = std::move(status);
    }
  }
  return first_refusal;
}

HttpResponse PushMethods::Ingest(const HttpRequest& request, const std::string& tenant) {
  const absl::Status status = TryIngest(request, tenant);
  return status.ok() ? HttpResponse{} : HttpError(status);
}

absl::Status PushMethods::TryIngest(const HttpRequest& request, const std::string& tenant) {
  ASSIGN_OR_RETURN(const Labels labels, ParseName(request.Parameter("name")));
  const auto part = request.parts.find("profile");
  const bool is_form = part != request.parts.end();
  const std::string& body = is_form ? part->second : request.body;
  const std::string format = request.Parameter("format", is_form ? "pprof" : "folded");
  if (format == "pprof") return ingest_.PushPprof(tenant, labels, body);
  if (format != "folded" && format != "groups" && format != "lines") {
    return absl::UnimplementedError(
        absl::StrCat("format=", format, " is not taken; there are pprof, folded (or groups) and lines"));
  }

  ASSIGN_OR_RETURN(Profile profile, ReadFolded(format == "lines" ? NumberLines(body) : body));
  RETURN_IF_ERROR(SetType(request, profile));
  const absl::Time now = absl::Now();
  ASSIGN_OR_RETURN(profile.start, ParseTimeText(request.Parameter("from", "now-10s"), now));
  ASSIGN_OR_RETURN(const absl::Time until, ParseTimeText(request.Parameter("until", "now"), now));
  profile.duration = until - profile.start;
  std::vector<Profile> profiles;
  profiles.push_back(std::move(profile));
  return ingest_.Push(tenant, labels, body.size(), std::move(profiles));
}

void AddPushOverHttp(PushMethods& methods, const TenantOf& tenant_of, HttpServer& server) {
  ConnectMethods table;
  table["Push"] = MakeConnectMethod(methods, &PushMethods::Push);
  AddConnectService(*::push::v1::PushRequest::descriptor()->file()->FindServiceByName("PusherService"),
                    std::move(table), tenant_of, server);
  server.Post("/ingest", [&methods, tenant_of](const HttpRequest& request) {
    const absl::StatusOr<std::string> tenant = tenant_of(request);
    return tenant.ok() ? methods.Ingest(request, *tenant) : HttpError(tenant.status());
  });
}

std::unique_ptr<grpc::Service> MakePushService(PushMethods& methods, AdmitCall admit) {
  return std::make_unique<PushService>(methods, std::move(admit));
}

}  // namespace pilotlight::collector
