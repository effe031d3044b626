#include "collector/api/http_api.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/metrics.h"
#include "base/status_macros.h"
#include "collector/api/http_selection.h"
#include "collector/api/pyroscope_render.h"
#include "collector/query/export.h"
#include "exporters/json.h"
#include "exporters/pprof.h"

namespace pilotlight::collector {
namespace {

HttpResponse Text(std::string text) {
  HttpResponse response;
  response.body = std::move(text);
  return response;
}

absl::StatusOr<size_t> NumberParameter(const HttpRequest& request, const std::string& name, size_t most) {
  const std::string text = request.Parameter(name, "0");
  size_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number > most) {
    return absl::InvalidArgumentError(absl::StrCat(name, "=", text, " is not a number from 0 to ", most));
  }
  return number;
}

constexpr size_t kMostRows = 100'000;

absl::StatusOr<TopOrder> OrderParameter(const HttpRequest& request) {
  const std::string order = request.Parameter("order", "flat");
  if (order == "flat") return TopOrder::kFlat;
  if (order == "cumulative") return TopOrder::kCumulative;
  return absl::InvalidArgumentError(absl::StrCat("order=", order, " is neither flat nor cumulative"));
}

class HttpApi {
 public:
  using Handler = absl::StatusOr<HttpResponse> (HttpApi::*)(const HttpRequest&, const Caller&);

  HttpApi(QueryEngine& engine, QueryMetrics& metrics, TenantOf tenant_of)
      : engine_(engine), metrics_(metrics), tenant_of_(std::move(tenant_of)) {}

  HttpResponse Answer(const HttpRequest& request, const std::string& method, Handler handler) {
    absl::StatusOr<std::string> tenant = tenant_of_(request);
    if (!tenant.ok()) return HttpError(tenant.status());
    QueryTimer timer(metrics_, method);
    absl::StatusOr<HttpResponse> response = (this->*handler)(request, {*std::move(tenant), nullptr});
    timer.Finish(response.status()).IgnoreError();  // returned below, as text
    return response.ok() ? *std::move(response) : HttpError(response.status());
  }

  absl::StatusOr<HttpResponse> Pprof(const HttpRequest& request, const Caller& caller) {
    const std::vector<std::string> by = absl::StrSplit(request.Parameter("by"), ',', absl::SkipEmpty());
    ASSIGN_OR_RETURN(HttpResponse response, by.empty() ? File(request, caller, ExportFormat::kPprof)
                                                       : LabelledPprof(request, by, caller));
    response.headers["Content-Disposition"] = "attachment; filename=\"profile.pb.gz\"";
    return response;
  }
  absl::StatusOr<HttpResponse> Svg(const HttpRequest& request, const Caller& caller) {
    return File(request, caller, ExportFormat::kSvg);
  }
  absl::StatusOr<HttpResponse> Folded(const HttpRequest& request, const Caller& caller) {
    return File(request, caller, ExportFormat::kFolded);
  }
  absl::StatusOr<HttpResponse> Json(const HttpRequest& request, const Caller& caller) {
    return File(request, caller, ExportFormat::kJson);
  }
  absl::StatusOr<HttpResponse> Speedscope(const HttpRequest& request, const Caller& caller) {
    return File(request, caller, ExportFormat::kSpeedscope);
  }
  absl::StatusOr<HttpResponse> CpuProfile(const HttpRequest& request, const Caller& caller) {
    ASSIGN_OR_RETURN(HttpResponse response, File(request, caller, ExportFormat::kCpuProfile));
    response.headers["Content-Disposition"] = "attachment; filename=\"profile.cpuprofile\"";
    return response;
  }
  absl::StatusOr<HttpResponse> Dot(const HttpRequest& request, const Caller& caller) {
    return File(request, caller, ExportFormat::kDot);
  }

  absl::StatusOr<HttpResponse> RenderPyroscope(const HttpRequest& request, const Caller& caller) {
    return Render(engine_, request, caller);
  }
  absl::StatusOr<HttpResponse> RenderPyroscopeDiff(const HttpRequest& request, const Caller& caller) {
    return RenderDiff(engine_, request, caller);
  }

  absl::StatusOr<HttpResponse> Diff(const HttpRequest& request, const Caller& caller) {
    const absl::Time now = engine_.Now();
    ASSIGN_OR_RETURN(SelectionText text,
                     ReadSelection(request, now,
                                   {"limit", "order", "max_nodes", "base_selector", "base_from", "base_to"}));
    ASSIGN_OR_RETURN(const TimeSpan span, ResolveSpan(text.start, text.end, now));
    text.start = span.start;
    text.end = span.end;
    ASSIGN_OR_RETURN(const SelectionText base, ReadBaseSelection(request, text, now));
    ASSIGN_OR_RETURN(const size_t limit, NumberParameter(request, "limit", kMostRows));
    ASSIGN_OR_RETURN(const size_t max_nodes, NumberParameter(request, "max_nodes", kMostRows));
    ASSIGN_OR_RETURN(const TopOrder order, OrderParameter(request));
    ASSIGN_OR_RETURN(
        const DiffAnswer answer,
        engine_.Diff(base, text, order, limit, max_nodes == 0 ? kDefaultMaxNodes : max_nodes, caller));
    HttpResponse response;
    response.content_type = "application/json";
    response.body = WriteDiffJson(answer.table, answer.graph, answer.type);
    return response;
  }

 private:
  absl::StatusOr<HttpResponse> File(const HttpRequest& request, const Caller& caller, ExportFormat format) {
    const absl::Time now = engine_.Now();
    ASSIGN_OR_RETURN(const SelectionText text, ReadSelection(request, now));
    ASSIGN_OR_RETURN(const TimeSpan span, ResolveSpan(text.start, text.end, now));
    ASSIGN_OR_RETURN(const ProfileAnswer answer, engine_.Merge(text, caller));
    if (answer.quality.totals.count == 0) return NothingThere(text, span, caller);
    HttpResponse response;
    response.content_type = std::string(ContentType(format));
    response.body = WriteExportFile(answer.profile, format);
    return response;
  }

  absl::StatusOr<HttpResponse> LabelledPprof(const HttpRequest& request, const std::vector<std::string>& by,
                                             const Caller& caller) {
    const absl::Time now = engine_.Now();
    ASSIGN_OR_RETURN(const SelectionText text, ReadSelection(request, now, {"by"}));
    ASSIGN_OR_RETURN(const TimeSpan span, ResolveSpan(text.start, text.end, now));
    ASSIGN_OR_RETURN(const LabelledProfile labelled, engine_.MergeLabelled(text, by, caller));
    if (Totals(labelled).count == 0) return NothingThere(text, span, caller);
    HttpResponse response;
    response.content_type = std::string(ContentType(ExportFormat::kPprof));
    response.body = WritePprof(labelled);
    return response;
  }

  // Says what there would be instead.
  absl::Status NothingThere(const SelectionText& text, const TimeSpan& span, const Caller& caller) {
    SelectionText all;
    all.start = span.start;
    all.end = span.end;
    std::vector<std::string> services =
        engine_.LabelValues(std::string(kServiceLabel), all, caller).value_or(std::vector<std::string>());
    constexpr size_t kShown = 20;
    const size_t more = services.size() > kShown ? services.size() - kShown : 0;
    services.resize(services.size() - more);
    const auto utc = [](absl::Time time) {
      return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
    };
    return absl::NotFoundError(absl::StrCat(
        "no samples of ", text.selector.empty() ? "{}" : text.selector, " from ", utc(span.start), " to ",
        utc(span.end), text.focus.empty() && text.ignore.empty() ? "" : " after focus and ignore", ". ",
        services.empty()
            ? "There is no service in this span: take a longer one (from=now-24h), or see whether "
              "the agents are connected (pilotlight_ingest_streams in /metrics)."
            : absl::StrCat("Services in this span: ", absl::StrJoin(services, ", "),
                           more > 0 ? absl::StrCat(" and ", more, " more") : "", ".")));
  }

  QueryEngine& engine_;
  QueryMetrics& metrics_;
  const TenantOf tenant_of_;
};

}  // namespace

void AddHttpApi(QueryEngine& engine, QueryMetrics& metrics, const TenantOf& tenant_of,
                const prometheus::Registry& registry, std::function<void()> before_scrape,
                HttpServer& server) {
  const auto api = std::make_shared<HttpApi>(engine, metrics, tenant_of);
  const auto add = [&server, &api](const std::string& path, const std::string& method,
                                   HttpApi::Handler handler) {
    server.Get(path, [api, method, handler](const HttpRequest& request) {
      return api->Answer(request, method, handler);
    });
  };
  add("/flamegraph.svg", "flamegraph.svg", &HttpApi::Svg);
  add("/flamegraph.json", "flamegraph.json", &HttpApi::Json);
  add("/diff.json", "diff.json", &HttpApi::Diff);
  add("/folded", "folded", &HttpApi::Folded);
  add("/speedscope.json", "speedscope.json", &HttpApi::Speedscope);
  add("/cpuprofile", "cpuprofile", &HttpApi::CpuProfile);
  add("/callgraph.dot", "callgraph.dot", &HttpApi::Dot);
  add("/pyroscope/render", "render", &HttpApi::RenderPyroscope);
  add("/pyroscope/render-diff", "render-diff", &HttpApi::RenderPyroscopeDiff);
  add("/debug/pprof/merge", "pprof", &HttpApi::Pprof);
  server.Get("/metrics", [&registry, before_scrape = std::move(before_scrape)](const HttpRequest&) {
    if (before_scrape) before_scrape();
    return RenderMetrics(registry);
  });
  server.Get("/-/healthy", [](const HttpRequest&) { return Text("pilotlight-collector is healthy.\n"); });
  server.Get("/-/ready", [](const HttpRequest&) { return Text("pilotlight-collector is ready.\n"); });
}

}  // namespace pilotlight::collector
