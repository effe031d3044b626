// pilotlight-collector: takes the agents' windows in, keeps them, answers questions about them.
#include <poll.h>
#include <prometheus/registry.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/flags.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/stop_signal.h"
#include "base/version.h"
#include "collector/auth/token_command.h"
#include "collector/collector.h"
#include "collector/maintenance/commands.h"
#include "collector/store/embedded/embedded_stores.h"
#include "collector/store_metrics.h"
#include "web/page_files.h"

namespace pilotlight::collector {
namespace {

struct Configuration {
  CollectorOptions collector;
  EmbeddedStoreOptions store;
  TenantLimits tenants;
  LoggingFlags logging;
  std::vector<std::string> aggregates = {"namespace"};
};

void AddStoreFlags(CLI::App& app, Configuration& configuration, uint64_t& cache_bytes) {
  cache_bytes = configuration.store.cache_bytes;
  app.add_option("--storage.path", configuration.store.path, "Directory of the profiles; made when not there")
      ->capture_default_str();
  Retention& retention = configuration.collector.retention;
  AddDurationFlag(app, "--storage.retention.windows", retention.windows,
                  "How long profiles are kept as captured");
  AddDurationFlag(app, "--storage.retention.ten-minutes", retention.ten_minutes,
                  "How long sums over ten minutes are kept");
  AddDurationFlag(app, "--storage.retention.hours", retention.hours, "How long sums over an hour are kept");
  AddDurationFlag(app, "--storage.retention.days", retention.days, "How long sums over a day are kept");
  AddSizeFlag(app, "--storage.retention.size", retention.max_bytes,
              "Drop the oldest profiles when the store takes more on disk; 0 is no limit");
  AddSizeFlag(app, "--storage.cache-bytes", cache_bytes,
              "Memory for the names of blocks; a day's blocks of all services should fit");
  app.add_option("--storage.max-stacks-per-service", configuration.store.max_stacks_per_service,
                 "Distinct stacks of a service on a day; samples of more are kept without their stacks")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--storage.max-series-per-service", configuration.store.max_series_per_service,
                 "Label sets of a service on a day; samples of more are kept without their labels")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--storage.aggregates", configuration.aggregates,
                 "Sums over services to keep: label names joined by +; that of everything comes with them, "
                 "or alone as \"all\"")
      ->delimiter(',')
      ->capture_default_str();
}

void AddListenFlags(CLI::App& app, Configuration& configuration) {
  app.add_option("--grpc.listen-address", configuration.collector.grpc_listen_address,
                 "Address for agents and gRPC queries")
      ->capture_default_str();
  TlsFiles& tls = configuration.collector.grpc_tls;
  CLI::Option* const cert =
      app.add_option(
             "--grpc.tls.cert-file", tls.cert_file,
             "Certificate of gRPC in PEM, which is plain text without one; read again when it is renewed")
          ->type_name("FILE");
  CLI::Option* const key =
      app.add_option("--grpc.tls.key-file", tls.key_file, "Its key")->type_name("FILE")->needs(cert);
  cert->needs(key);
  app.add_option("--grpc.tls.client-ca-file", tls.ca_file,
                 "Authorities of which each client of gRPC must have a certificate")
      ->type_name("FILE")
      ->needs(cert);
  app.add_option("--web.listen-address", configuration.collector.web_listen_address,
                 "Address for the page, pprof over HTTP and /metrics")
      ->capture_default_str();
  app.add_option(
         "--auth.token-file", configuration.collector.auth.token_file,
         "Tokens that are let in, YAML of their hashes as the command token makes it, for gRPC and HTTP; "
         "without it everyone is. Read again when it changes")
      ->type_name("FILE");
  app.add_option(
         "--web.config.file", configuration.collector.web_config_file,
         "TLS, users and headers of HTTP, as the Prometheus projects have them; read again when it changes")
      ->type_name("FILE");
}

void AddTenantFlags(CLI::App& app, Configuration& configuration, uint64_t& max_rate) {
  app.add_flag("--auth.tenant-header", configuration.collector.auth.takes_tenant_header,
               "Take the tenant of callers whose token names none from their header X-Scope-OrgID");
  app.add_option("--tenants.max", configuration.tenants.max_tenants,
                 "Tenants with profiles, beside the anonymous one")
      ->capture_default_str();
  max_rate = configuration.collector.ingest.max_tenant_bytes_per_second;
  AddSizeFlag(
      app, "--tenants.max-bytes-per-second", max_rate,
      "Of each tenant but the anonymous one, decompressed, in the mean over a minute: agents that send "
      "more wait, what is pushed is refused. 0 is no limit");
  app.add_option("--tenants.max-series", configuration.tenants.max_series,
                 "Label sets on a day of each tenant but the anonymous one; samples of more are kept without "
                 "their labels. 0 is no limit")
      ->capture_default_str();
  app.add_option("--tenants.max-queries", configuration.collector.query.max_concurrent_of_tenant,
                 "Questions answered at once of each tenant but the anonymous one")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

struct SizeFlags {
  uint64_t max_message = 0;
  uint64_t max_rate = 0;
  uint64_t max_tenant_rate = 0;
  uint64_t max_dictionary = 0;
  uint64_t max_dictionaries = 0;
  uint64_t cache = 0;
  uint64_t query_cache = 0;
};

void AddIngestFlags(CLI::App& app, IngestLimits& limits, SizeFlags& sizes) {
  AddDurationFlag(app, "--ingest.max-future", limits.max_future,
                  "Refuse windows that start further ahead of this clock");
  app.add_option("--ingest.max-streams", limits.max_streams, "Agents connected at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sizes.max_message = limits.max_message_bytes;
  sizes.max_dictionary = limits.wire.max_dictionary_bytes;
  sizes.max_dictionaries = limits.max_dictionaries_bytes;
  sizes.max_rate = limits.max_bytes_per_second;
  AddSizeFlag(
      app, "--ingest.max-bytes-per-second", sizes.max_rate,
      "Of one agent, decompressed, in the mean over a minute; what comes faster waits. 0 is no limit");
  AddSizeFlag(app, "--ingest.max-message-bytes", sizes.max_message, "Largest window, decompressed");
  AddSizeFlag(app, "--ingest.max-dictionary-bytes", sizes.max_dictionary,
              "Memory for the names of one agent");
  AddSizeFlag(app, "--ingest.max-dictionaries-bytes", sizes.max_dictionaries,
              "Memory for the names of all agents together");
}

void AddQueryFlags(CLI::App& app, QueryOptions& query, uint64_t& cache_bytes) {
  app.add_option("--query.max-concurrency", query.max_concurrent, "Questions answered at once")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  AddDurationFlag(app, "--query.timeout", query.timeout, "Give a question up after so long");
  AddSizeFlag(app, "--query.cache-bytes", cache_bytes,
              "Memory for merged profiles that may be asked for again");
  AddSizeFlag(app, "--query.max-bytes", query.max_bytes, "Give a question up that has read so much");
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "pilotlight-collector: %s\n", std::string(status.message()).c_str());
  return kExitFailure;
}

absl::Status CheckRetention(const Retention& retention) {
  if (retention.windows <= retention.ten_minutes && retention.ten_minutes <= retention.hours &&
      retention.hours <= retention.days) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "coarser sums are made from finer records, so each of --storage.retention.windows, .ten-minutes, "
      ".hours, .days must be at least the one before");
}

// True when it is to reload, false when it is to stop.
bool WaitForSignal(const StopSignal& stop, const HangupSignal& hangup) {
  while (!stop.stopped()) {
    pollfd waiters[] = {{stop.fd(), POLLIN, 0}, {hangup.fd(), POLLIN, 0}};
    ::poll(waiters, std::size(waiters), -1);
    if (hangup.Take()) return true;
  }
  return false;
}

// For the log: what is open to everyone who reaches it.
std::string Openness(const Collector& collector, bool has_tokens) {
  std::vector<int> plain;
  if (!collector.has_grpc_tls()) plain.push_back(collector.grpc_port());
  if (!collector.has_http_tls()) plain.push_back(collector.http_port());
  const std::string text =
      plain.empty() ? "TLS on both ports" : absl::StrCat("in plain text: ", absl::StrJoin(plain, ", "));
  return has_tokens ? text : absl::StrCat(text, "; open to everyone: no --auth.token-file");
}

int Run(const Configuration& configuration) {
  if (const absl::Status status = CheckRetention(configuration.collector.retention); !status.ok()) {
    return Fail(status);
  }
  StopSignal stop;
  StopOnTerminationSignals(stop);
  const HangupSignal hangup;
  const SystemClock clock;
  prometheus::Registry registry;
  AddBuildInfo(registry, "pilotlight-collector");

  absl::StatusOr<std::unique_ptr<EmbeddedStores>> stores =
      EmbeddedStores::Open(configuration.store, configuration.tenants);
  if (!stores.ok()) return Fail(stores.status());
  StoreMetrics store_metrics(**stores, registry);
  absl::StatusOr<std::unique_ptr<Collector>> collector = Collector::Start(
      configuration.collector, **stores, clock, registry, [&store_metrics] { store_metrics.Update(); });
  if (!collector.ok()) return Fail(collector.status());
  spdlog::info(
      "pilotlight-collector {}: gRPC on port {}, HTTP on port {}, profiles in {}, kept for {} as captured "
      "and for {} in sums; {}",
      std::string(kVersion), (*collector)->grpc_port(), (*collector)->http_port(), configuration.store.path,
      absl::FormatDuration(configuration.collector.retention.windows),
      absl::FormatDuration(configuration.collector.retention.days),
      Openness(**collector, !configuration.collector.auth.token_file.empty()));

  while (WaitForSignal(stop, hangup)) {
    const absl::Status status = (*collector)->Reload();
    if (!status.ok()) spdlog::error("the configuration stays as it was: {}", std::string(status.message()));
  }
  spdlog::info("shutting down");
  collector->reset();
  return 0;
}

}  // namespace
}  // namespace pilotlight::collector

int main(int argc, char** argv) {         // NOLINT(bugprone-exception-escape)
  using namespace pilotlight;             // NOLINT(google-build-using-namespace)
  using namespace pilotlight::collector;  // NOLINT(google-build-using-namespace)
  Configuration configuration;
  configuration.store.path = "./data";
  SizeFlags sizes;

  CLI::App app("Keeps the profiles that pilotlight agents send, and answers questions about them.",
               "pilotlight-collector");
  AddStoreFlags(app, configuration, sizes.cache);
  AddListenFlags(app, configuration);
  AddTenantFlags(app, configuration, sizes.max_tenant_rate);
  AddIngestFlags(app, configuration.collector.ingest, sizes);
  sizes.query_cache = configuration.store.merge_cache_bytes;
  AddQueryFlags(app, configuration.collector.query, sizes.query_cache);
  app.add_option("--config.file", configuration.collector.config_file,
                 "Profile rules, YAML; read again on SIGHUP and POST /-/reload");
  app.add_option("--rules.max-series", configuration.collector.max_rule_series,
                 "Combinations of label values of each profile rule")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  AddLoggingFlags(app, configuration.logging);
  const MaintenanceCommands maintenance(app);
  const TokenCommand token(app);
  if (const auto exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  if (const auto exit_code = maintenance.RunGiven()) return *exit_code;
  if (const auto exit_code = token.RunGiven()) return *exit_code;

  configuration.store.aggregates.clear();
  for (const std::string& aggregate : configuration.aggregates) {
    std::vector<std::string> labels;
    if (aggregate != "all") labels = absl::StrSplit(aggregate, '+', absl::SkipEmpty());
    configuration.store.aggregates.push_back(std::move(labels));
  }
  IngestLimits& limits = configuration.collector.ingest;
  limits.max_age = configuration.collector.retention.windows;
  configuration.store.cache_bytes = sizes.cache;
  configuration.store.merge_cache_bytes = sizes.query_cache;
  limits.max_message_bytes = sizes.max_message;
  limits.max_bytes_per_second = sizes.max_rate;
  limits.max_tenant_bytes_per_second = sizes.max_tenant_rate;
  limits.wire.max_dictionary_bytes = sizes.max_dictionary;
  limits.max_dictionaries_bytes = sizes.max_dictionaries;
  configuration.collector.page_files = PageFiles();
  SetUpLogging(configuration.logging);
  return Run(configuration);
}
