// The agent put together: sources, names, metrics, uplink, and its own pages.
#pragma once

#include <prometheus/registry.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/capture/pprof/pprof_target.h"
#include "agent/command_handler.h"
#include "agent/containers/container_directory.h"
#include "agent/containers/container_runtimes.h"
#include "agent/fold/window_builder.h"
#include "agent/gc/gc_pause_history.h"
#include "agent/gc/gc_pause_reader.h"
#include "agent/labels/process_labels.h"
#include "agent/metrics/capture_metrics.h"
#include "agent/metrics/mirror.h"
#include "agent/metrics/symbol_metrics.h"
#include "agent/metrics/target_metrics.h"
#include "agent/metrics/unwind_metrics.h"
#include "agent/metrics/uplink_metrics.h"
#include "agent/pull/go_endpoints.h"
#include "agent/pull/go_processes.h"
#include "agent/schedule/capture_loop.h"
#include "agent/status_page.h"
#include "agent/stop_the_world/stop_the_world_probes.h"
#include "agent/symbolize/caching_symbolizer.h"
#include "agent/symbolize/go_program_finder.h"
#include "agent/symbolize/runtime_finder.h"
#include "agent/targets/process_table.h"
#include "agent/trigger/capture_requests.h"
#include "agent/trigger/node_watch.h"
#include "agent/trigger/window_watch.h"
#include "agent/unwind/unwind_table_keeper.h"
#include "agent/uplink/spool.h"
#include "agent/uplink/uplink.h"
#include "base/http_server.h"
#include "base/mutex.h"
#include "base/refusal_metrics.h"
#include "base/stop_signal.h"

namespace pilotlight::agent {

struct AgentOptions {
  // "auto", "ebpf" or "perf", which watch the node; empty for none of them.
  std::string node_source = "auto";
  bool off_cpu = false;                    // profiles of the time that threads are blocked, too
  std::vector<PprofTarget> pprof_targets;  // asked for their own profiles when there are any
  // Kinds of profiles (kPullKinds) that are pulled from the Go programs of this node that serve them.
  std::vector<std::string> pull_kinds;
  bool time_stops = false;           // of Go programs for garbage collection, by uprobes
  bool pull_cpu = false;             // and those of CPU, where nothing watches the node
  size_t debug_info_bytes = 0;       // see BinaryCacheLimits
  RuntimeSockets container_sockets;  // of those who know names of containers and pods
  std::vector<RelabelRule> relabel_rules;
  CaptureLoopOptions schedule;  // its max_overhead_cores is set from:
  // Share of the node's CPU time that the agent may use in the mean, as pilotlight_capture_overhead_ratio
  // tells it: what sampling costs grows with the number of CPUs. 0 is no limit.
  double max_overhead = 0.005;
  TargetMetricsOptions metrics;
  SpoolOptions spool;
  UplinkOptions uplink;
  std::string web_listen_address = ":9177";
  std::string web_config_file;  // HttpServerOptions::web_config_file
};

class Agent : private TurnObserver {
 public:
  // The error's message says what to do. The HTTP server runs afterwards, but is not ready.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(const AgentOptions& options);
  ~Agent() override;

  // Captures until `stop`, then sends what is left for a few seconds. Once only.
  void Run(const StopSignal& stop);

  int http_port() const { return http_server_.port(); }

 private:
  explicit Agent(const AgentOptions& options);

  absl::Status OpenSources();
  // All, in the order of their turns.
  std::vector<CaptureSource*> Sources() const;
  absl::Status OpenUplink();
  absl::Status StartHttp();
  void OnTurn(const TurnReport& report) override;
  std::vector<std::shared_ptr<const Process>> GoProcessesOf(const FoldedWindow& folded);
  void ReadGcPauses(const std::vector<std::shared_ptr<const Process>>& processes);
  void AddGcPauses(const Labels& labels, const GcPauses& pauses);
  void CountContainerLookups();
  AgentStatus CurrentStatus();

  const AgentOptions options_;
  const int cpus_;
  prometheus::Registry registry_;
  std::vector<std::unique_ptr<CaptureSource>> sources_;
  bool watches_node_ = false;                             // one of them does
  std::shared_ptr<GoEndpoints> go_endpoints_;             // of those that pull; null when none does
  CaptureSource* off_cpu_ = nullptr;                      // part of one of them
  const std::unique_ptr<ContainerDirectory> containers_;  // null when nobody is to be asked
  ProcessLabels labels_;
  ProcessTable processes_{"/proc", &labels_};
  std::vector<std::unique_ptr<GoProgramFinder>> go_program_finders_;  // by source
  std::unique_ptr<UnwindTableKeeper> unwind_tables_;                  // of the one that watches the node
  std::unique_ptr<RuntimeFinder> runtime_finder_;                     // likewise
  CachingSymbolizer symbolizer_;
  WindowBuilder builder_;
  GcPauseReader gc_pauses_;
  GcPauseHistory told_gc_pauses_;  // of programs whose memory is not read
  GoProcesses go_processes_{processes_};
  std::unique_ptr<StopTheWorldProbes> stops_;  // null when they are not timed
  NodeWatch node_watch_;
  WindowWatch window_watch_;
  CaptureRequests capture_requests_;
  CommandHandler command_handler_{capture_requests_, labels_};
  SystemTimer timer_;
  TargetMetrics target_metrics_;
  SymbolMetrics symbol_metrics_;
  UnwindMetrics unwind_metrics_;
  UplinkMetrics uplink_metrics_;
  CounterFamily& gc_unreadable_;
  CounterFamily& container_lookups_;
  std::unique_ptr<CaptureMetrics> capture_metrics_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Uplink> uplink_;
  RefusalMetrics refusals_;
  HttpServer http_server_;
  std::atomic<bool> ready_ = false;

  Mutex mutex_;
  LastTurn last_turn_ ABSL_GUARDED_BY(mutex_);
  GoStatus go_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::agent
