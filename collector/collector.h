// The collector put together: a store, what takes windows in, what answers, and the retention.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/tls.h"
#include "collector/auth/authenticator.h"
#include "collector/ingest/ingest_limits.h"
#include "collector/query/query_engine.h"
#include "collector/store/profile_stores.h"
#include "web/page_files.h"

namespace prometheus {
class Registry;
}

namespace pilotlight::collector {

// How long each level of time is kept. REQUIRES: a coarser level is kept no shorter than a finer one.
struct Retention {
  absl::Duration windows = absl::Hours(24 * 2);
  absl::Duration ten_minutes = absl::Hours(24 * 14);
  absl::Duration hours = absl::Hours(24 * 90);
  absl::Duration days = absl::Hours(24 * 730);
  uint64_t max_bytes = 0;  // on disk, of all levels together; 0 is no limit
};

struct CollectorOptions {
  std::string grpc_listen_address = ":7171";
  std::string web_listen_address = ":4040";
  TlsFiles grpc_tls;            // GrpcServerOptions::tls
  std::string web_config_file;  // HttpServerOptions::web_config_file
  AuthenticatorOptions auth;
  Retention retention;
  IngestLimits ingest;
  // Appends wait for the disk together, so more threads make larger groups, not more work.
  size_t ingest_threads = 16;
  QueryOptions query;
  // Profile rules (collector/rules/rules_file.h); empty for none.
  std::string config_file;
  size_t max_rule_series = 1000;          // of each rule
  absl::Span<const PageFile> page_files;  // none: there is no page
};

class Collector {
 public:
  // Listens on both addresses; each error says what to do. All that is passed in must outlive the collector.
  // `before_scrape` is called before each answer of /metrics.
  static absl::StatusOr<std::unique_ptr<Collector>> Start(const CollectorOptions& options,
                                                          ProfileStores& stores, const Clock& clock,
                                                          prometheus::Registry& registry,
                                                          std::function<void()> before_scrape = {});
  // Reads the configuration file again. When it makes no sense, what was there stays, and the error says what
  // is wrong. Thread-safe.
  absl::Status Reload();

  // Ends the agents' streams with UNAVAILABLE, each after the window being stored, and then the rest.
  ~Collector();

  int grpc_port() const;
  int http_port() const;
  bool has_grpc_tls() const;
  bool has_http_tls() const;

 private:
  class Impl;
  explicit Collector(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pilotlight::collector
