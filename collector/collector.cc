#include "collector/collector.h"

#include <grpcpp/impl/codegen/service_type.h>
#include <prometheus/gauge.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/http_server.h"
#include "base/mutex.h"
#include "base/refusal_metrics.h"
#include "base/status_macros.h"
#include "base/stop_signal.h"
#include "collector/api/agents_service.h"
#include "collector/api/grpc_server.h"
#include "collector/api/http_api.h"
#include "collector/api/ingest_service.h"
#include "collector/api/otlp_methods.h"
#include "collector/api/page.h"
#include "collector/api/push_methods.h"
#include "collector/api/querier_methods.h"
#include "collector/api/query_methods.h"
#include "collector/api/query_service.h"
#include "collector/auth/authenticator.h"
#include "collector/ingest/ingest_metrics.h"
#include "collector/ingest/ingest_stream.h"
#include "collector/ingest/push.h"
#include "collector/query/query_metrics.h"
#include "collector/rules/profile_rules.h"
#include "collector/rules/rules_file.h"

namespace pilotlight::collector {
namespace {

constexpr absl::Duration kStopPatience = absl::Seconds(5);
// For questions being answered. gRPC also waits so long for clients that do not hear the farewell.
constexpr absl::Duration kAnswerPatience = absl::Seconds(2);

// Queries do not often come in larger numbers, and the gate holds back what does.
constexpr int kSpareThreads = 16;

// A browser's kept-alive connection holds one for some seconds; a scrape must not wait for it.
constexpr size_t kHttpThreads = 16;

// Larger messages than allowed still arrive up to four times the limit, so that they can be refused by name.
int TransportLimit(size_t max_message_bytes) {
  constexpr size_t kMost = size_t{256} << 20;
  return static_cast<int>(std::min(kMost, 4 * max_message_bytes));
}

}  // namespace

class Collector::Impl {
 public:
  Impl(const CollectorOptions& options, ProfileStores& stores, const Clock& clock,
       prometheus::Registry& registry)
      : options_(options),
        stores_(stores),
        clock_(clock),
        ingest_metrics_(registry),
        query_metrics_(registry),
        rules_(clock, registry, options.max_rule_series),
        reload_successful_(prometheus::BuildGauge()
                               .Name("pilotlight_config_last_reload_successful")
                               .Help("1 unless --config.file made no sense when it was read last.")
                               .Register(registry)
                               .Add({}, 1)),
        tenants_(prometheus::BuildGauge()
                     .Name("pilotlight_tenants")
                     .Help("Tenants that have profiles, and the anonymous one.")
                     .Register(registry)
                     .Add({})),
        ingest_context_(
            stores, options.ingest, clock, ingest_metrics_,
            [this](const std::string& tenant, const Window& window) { rules_.Count(tenant, window); }),
        engine_(stores, clock, options.query, &query_metrics_),
        ingest_service_(ingest_context_, options.ingest_threads, AdmitGrpc()),
        push_ingest_(ingest_context_),
        push_methods_(push_ingest_),
        push_service_(MakePushService(push_methods_, AdmitGrpc())),
        otlp_service_(MakeOtlpService(push_ingest_, AdmitGrpc())),
        agents_service_(MakeAgentsService(ingest_service_, AdmitGrpc())),
        query_methods_(engine_, query_metrics_),
        querier_methods_(engine_),
        query_service_(MakeQueryService(query_methods_, engine_, query_metrics_, AdmitGrpc())),
        refusals_(registry),
        http_server_(
            {.listen_address = options.web_listen_address,
             .threads = kHttpThreads,
             .web_config_file = options.web_config_file,
             .allows_users = options.auth.token_file.empty(),
             .on_refused = [this](absl::string_view reason) { refusals_.Refused("http", reason); }}) {}

  ~Impl() {
    stop_.Stop();
    if (grpc_server_ != nullptr) {
      if (!ingest_service_.Stop(kStopPatience)) spdlog::warn("some agents' streams did not end in time");
      grpc_server_->Stop(kAnswerPatience);
    }
    http_server_.Stop();
    if (housekeeping_thread_.joinable()) housekeeping_thread_.join();
  }

  absl::Status Start(prometheus::Registry& registry, std::function<void()> before_scrape) {
    RETURN_IF_ERROR(ReadConfiguration());
    ASSIGN_OR_RETURN(authenticator_, Authenticator::Open(options_.auth, refusals_));
    const TenantOf tenant_of = [this](const HttpRequest& request) {
      return authenticator_->Admit("http", request.path, HeadersOf(request));
    };
    http_server_.SetAuthorizer(
        [tenant_of](const HttpRequest& request) { return tenant_of(request).status(); });
    AddHttpApi(
        engine_, query_metrics_, tenant_of, registry,
        [this, before_scrape = std::move(before_scrape)] {
          rules_.Update();
          tenants_.Set(static_cast<double>(stores_.All().size()));
          CountFailedHandshakes();
          if (before_scrape) before_scrape();
        },
        http_server_);
    http_server_.Post("/-/reload", [this](const HttpRequest&) {
      const absl::Status status = Reload();
      if (!status.ok()) return HttpError(status);
      HttpResponse response;
      response.body = "The configuration was read again.\n";
      return response;
    });
    http_server_.Post("/-/snapshot", [this](const HttpRequest&) {
      const absl::StatusOr<std::string> name = stores_.Snapshot();
      if (!name.ok()) {
        spdlog::error("no snapshot: {}", std::string(name.status().message()));
        return HttpError(name.status());
      }
      spdlog::info("the snapshot {} was made", *name);
      HttpResponse response;
      response.content_type = "application/json";
      response.body = absl::StrCat("{\"name\": \"", *name, "\"}\n");
      return response;
    });
    AddQueryOverHttp(query_methods_, tenant_of, http_server_);
    AddPushOverHttp(push_methods_, tenant_of, http_server_);
    AddOtlpOverHttp(push_ingest_, tenant_of, http_server_);
    AddQuerierOverHttp(querier_methods_, query_metrics_, tenant_of, http_server_);
    AddPage(options_.page_files, http_server_);
    if (absl::Status status = http_server_.Start(); !status.ok()) {
      if (!absl::IsUnavailable(status)) return status;
      return absl::Status(status.code(),
                          absl::StrCat(status.message(), "; take another one with --web.listen-address"));
    }
    const GrpcServerOptions grpc_options{
        .listen_address = options_.grpc_listen_address,
        .max_message_bytes = TransportLimit(options_.ingest.max_message_bytes),
        .max_threads = static_cast<int>(options_.query.max_concurrent) + kSpareThreads,
        .tls = options_.grpc_tls,
        .admit = options_.auth.token_file.empty() ? nullptr : AdmitGrpc()};
    ASSIGN_OR_RETURN(
        grpc_server_,
        GrpcServer::Start(grpc_options, {&ingest_service_.service(), agents_service_.get(),
                                         query_service_.get(), push_service_.get(), otlp_service_.get()}));
    housekeeping_thread_ = std::thread([this] { KeepHouse(); });
    return absl::OkStatus();
  }

  absl::Status Reload() {
    absl::Status status = ReadConfiguration();
    reload_successful_.Set(status.ok() ? 1 : 0);
    if (status.ok()) spdlog::info("the configuration was read again");
    return status;
  }

  int grpc_port() const { return grpc_server_->port(); }
  int http_port() const { return http_server_.port(); }
  bool has_grpc_tls() const { return !options_.grpc_tls.cert_file.empty(); }
  bool has_http_tls() const { return http_server_.has_tls(); }

 private:
  absl::Status ReadConfiguration() {
    if (options_.config_file.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::vector<Rule> rules, ReadRules(options_.config_file));
    return rules_.Set(rules);
  }

  AdmitCall AdmitGrpc() {
    return [this](absl::string_view method, const CallHeaders& headers) {
      return authenticator_->Admit("grpc", method, headers);
    };
  }

  void CountFailedHandshakes() {
    const MutexLock lock(mutex_);
    const uint64_t failed = FailedGrpcHandshakes();
    refusals_.Refused("grpc", "tls", static_cast<double>(failed - failed_handshakes_));
    failed_handshakes_ = failed;
  }

  void KeepHouse() {
    constexpr absl::Duration kInterval = absl::Seconds(10);
    constexpr absl::Duration kRetentionInterval = absl::Minutes(10);
    absl::Time retention_due = absl::InfinitePast();
    absl::Time size_due = absl::InfinitePast();
    while (true) {
      const absl::Time now = absl::Now();
      if (now >= retention_due) {
        for (const auto& [tenant, store] : stores_.All()) Drop(tenant, *store);
        retention_due = now + kRetentionInterval;
      }
      const bool is_behind = !SumUp();
      if (now >= size_due) {
        for (const auto& [tenant, store] : stores_.All()) DropToSize(tenant, *store);
        size_due = now + absl::Minutes(1);
      }
      stores_.FreeMemory();
      if (stop_.WaitFor(is_behind ? absl::ZeroDuration() : kInterval)) return;
    }
  }

  // False when there is more to do: after a backlog of profiles has come it can take minutes, for which
  // neither the rest of the house nor a stop can wait.
  bool SumUp() {
    constexpr absl::Duration kSlice = absl::Seconds(2);
    bool is_done = true;
    for (const auto& [tenant, store] : stores_.All()) {
      const absl::Time until = absl::Now() + kSlice;
      const auto goes_on = [&] {
        const bool has_time = absl::Now() < until && !stop_.stopped();
        is_done &= has_time;
        return has_time;
      };
      if (const absl::Status status = store->FillLevelsWhile(goes_on); !status.ok()) {
        spdlog::error("cannot sum up profiles of {}: {}", tenant, std::string(status.message()));
      }
    }
    return is_done;
  }

  void Drop(const std::string& tenant, ProfileStore& store) {
    const absl::Time now = clock_.Now();
    const Retention& retention = options_.retention;
    const absl::Status status = store.DropBefore({.windows = now - retention.windows,
                                                  .ten_minutes = now - retention.ten_minutes,
                                                  .hours = now - retention.hours,
                                                  .days = now - retention.days});
    if (!status.ok())
      spdlog::error("cannot drop old profiles of {}: {}", tenant, std::string(status.message()));
  }

  void DropToSize(const std::string& tenant, ProfileStore& store) {
    if (options_.retention.max_bytes == 0) return;
    const absl::Status status = store.DropToSize(options_.retention.max_bytes);
    if (!status.ok())
      spdlog::error("cannot drop what is too much of {}: {}", tenant, std::string(status.message()));
  }

  const CollectorOptions options_;
  ProfileStores& stores_;
  const Clock& clock_;
  IngestMetrics ingest_metrics_;
  QueryMetrics query_metrics_;
  ProfileRules rules_;
  prometheus::Gauge& reload_successful_;
  prometheus::Gauge& tenants_;
  IngestContext ingest_context_;
  QueryEngine engine_;
  IngestService ingest_service_;
  PushIngest push_ingest_;
  PushMethods push_methods_;
  std::unique_ptr<grpc::Service> push_service_;
  std::unique_ptr<grpc::Service> otlp_service_;
  std::unique_ptr<grpc::Service> agents_service_;
  QueryMethods query_methods_;
  QuerierMethods querier_methods_;
  std::unique_ptr<grpc::Service> query_service_;
  RefusalMetrics refusals_;
  Mutex mutex_;
  uint64_t failed_handshakes_ ABSL_GUARDED_BY(mutex_) = 0;  // that were counted
  std::unique_ptr<Authenticator> authenticator_;            // null before Start()
  HttpServer http_server_;
  std::unique_ptr<GrpcServer> grpc_server_;
  StopSignal stop_;
  std::thread housekeeping_thread_;
};

absl::StatusOr<std::unique_ptr<Collector>> Collector::Start(const CollectorOptions& options,
                                                            ProfileStores& stores, const Clock& clock,
                                                            prometheus::Registry& registry,
                                                            std::function<void()> before_scrape) {
  auto impl = std::make_unique<Impl>(options, stores, clock, registry);
  RETURN_IF_ERROR(impl->Start(registry, std::move(before_scrape)));
  return std::unique_ptr<Collector>(new Collector(std::move(impl)));
}

Collector::Collector(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Collector::~Collector() = default;
int Collector::grpc_port() const { return impl_->grpc_port(); }
int Collector::http_port() const { return impl_->http_port(); }
bool Collector::has_grpc_tls() const { return impl_->has_grpc_tls(); }
bool Collector::has_http_tls() const { return impl_->has_http_tls(); }
absl::Status Collector::Reload() { return impl_->Reload(); }

}  // namespace pilotlight::collector
